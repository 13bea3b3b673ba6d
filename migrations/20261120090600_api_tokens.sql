-- Bearer tokens of the gateway's callers: only their SHA-256 is kept.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE api_tokens (
  token_sha256 bytea       PRIMARY KEY CHECK (octet_length(token_sha256) = 32),
  domain       text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  role         text        NOT NULL DEFAULT 'tenant' CHECK (role IN ('tenant', 'operator')),
  created_at   timestamptz NOT NULL DEFAULT now(),
  revoked_at   timestamptz
);
CREATE INDEX api_tokens_by_domain ON api_tokens (domain);

ALTER TABLE api_tokens ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON api_tokens TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON api_tokens TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT (domain, role, created_at, revoked_at) ON api_tokens TO omnibus_gateway, omnibus_readonly;

-- The gateway cannot list tokens; it can ask whose the one is that it was shown.
CREATE FUNCTION authenticate(p_token_sha256 bytea) RETURNS TABLE (domain text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT k.domain, k.role
  FROM public.api_tokens k JOIN public.tenants t USING (domain)
  WHERE k.token_sha256 = p_token_sha256 AND k.revoked_at IS NULL AND t.status = 'active';
END;
COMMENT ON FUNCTION authenticate IS 'The tenant and role of a token that is not revoked, of a tenant that is active; else no row.';
REVOKE EXECUTE ON FUNCTION authenticate(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authenticate(bytea) TO omnibus_gateway;

RESET ROLE;

-- migrate:down
DROP FUNCTION authenticate(bytea);
DROP TABLE api_tokens;
