-- Principals: who a token speaks for, with one of five roles. A principal of one tenant acts for that tenant only; an
-- operator or admin without a tenant acts for the whole installation.

-- migrate:up
DO $$
BEGIN
  CREATE ROLE omnibus_admin LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

SET LOCAL ROLE omnibus_owner;

CREATE TABLE principals (
  id            uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain        text        REFERENCES tenants ON DELETE CASCADE,
  role          text        NOT NULL CHECK (role IN ('visitor', 'agent', 'operator', 'admin', 'service')),
  kind          text        NOT NULL CHECK (kind IN ('person', 'machine')),
  name          text        NOT NULL CHECK (name <> '' AND length(name) <= 200 AND name !~ '[[:cntrl:]]'),
  email         text        CHECK (length(email) <= 254 AND email ~ '^[^@[:space:][:cntrl:]]+@[^@[:space:][:cntrl:]]+$'),
  password_hash text,
  disabled_at   timestamptz,
  created_by    uuid        REFERENCES principals ON DELETE SET NULL,
  created_at    timestamptz NOT NULL DEFAULT now(),
  CONSTRAINT principals_domain_check CHECK (domain IS NOT NULL OR role IN ('operator', 'admin')),
  CONSTRAINT principals_service_check CHECK (role <> 'service' OR kind = 'machine')
);
COMMENT ON TABLE principals IS 'Who a token or a session speaks for.';
COMMENT ON COLUMN principals.domain IS 'The tenant it acts for. NULL: the whole installation, for operators and admins only.';
COMMENT ON COLUMN principals.disabled_at IS 'From then on its tokens are refused.';
CREATE UNIQUE INDEX principals_email ON principals (lower(email));
CREATE INDEX principals_by_domain ON principals (domain);

-- In transactions of the gateway: the caller is an operator or admin, and no tenant is set. Policies that show rows of
-- several tenants use it; app.role alone is not enough, since operators and admins of one tenant have it, too.
CREATE FUNCTION pipeline.acts_for_all_tenants() RETURNS boolean
LANGUAGE sql STABLE
RETURN COALESCE(current_setting('app.role', true), '') IN ('operator', 'admin')
       AND COALESCE(current_setting('app.tenant', true), '') = '';
COMMENT ON FUNCTION pipeline.acts_for_all_tenants IS 'Whether app.role is operator or admin and app.tenant is not set.';

ALTER TABLE principals ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON principals TO omnibus_owner, omnibus_admin, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON principals TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY operator ON principals TO omnibus_gateway USING (pipeline.acts_for_all_tenants());
GRANT SELECT (id, domain, role, kind, name, email, disabled_at, created_by, created_at) ON principals
  TO omnibus_gateway, omnibus_readonly;
GRANT SELECT, INSERT, UPDATE ON principals TO omnibus_admin;

ALTER POLICY operator ON chat_telemetry USING (pipeline.acts_for_all_tenants());
ALTER POLICY operator ON chat_telemetry_rollups USING (pipeline.acts_for_all_tenants());
ALTER POLICY operator ON chat_telemetry_domain_rollups USING (pipeline.acts_for_all_tenants());
ALTER POLICY operator ON chat_telemetry_model_rollups USING (pipeline.acts_for_all_tenants());

CREATE POLICY administration ON tenants TO omnibus_admin USING (true) WITH CHECK (true);
GRANT SELECT, INSERT, UPDATE ON tenants TO omnibus_admin;

-- Tokens of before get a principal each.
DROP FUNCTION authenticate(bytea);
ALTER TABLE api_tokens
  ADD COLUMN id           uuid NOT NULL DEFAULT gen_random_uuid(),
  ADD COLUMN principal_id uuid,
  ADD COLUMN name         text CHECK (length(name) <= 200 AND name !~ '[[:cntrl:]]'),
  ADD COLUMN expires_at   timestamptz,
  ADD COLUMN last_used_at timestamptz;
UPDATE api_tokens SET principal_id = gen_random_uuid();
-- An operator's token was refused while its tenant was suspended; without a tenant it must not become valid.
INSERT INTO principals (id, domain, role, kind, name, disabled_at, created_at)
SELECT k.principal_id, CASE k.role WHEN 'tenant' THEN k.domain END,
       CASE k.role WHEN 'tenant' THEN 'service' ELSE k.role END, 'machine',
       CASE k.role WHEN 'tenant' THEN left('service of ' || k.domain, 200) ELSE k.role END,
       CASE WHEN k.role = 'operator' AND t.status = 'suspended' THEN now() END, k.created_at
FROM api_tokens k JOIN tenants t USING (domain);
DROP POLICY own_tenant ON api_tokens;
ALTER TABLE api_tokens
  DROP COLUMN domain,
  DROP COLUMN role,
  DROP CONSTRAINT api_tokens_pkey,
  ADD PRIMARY KEY (id),
  ADD UNIQUE (token_sha256),
  ALTER COLUMN principal_id SET NOT NULL,
  ADD FOREIGN KEY (principal_id) REFERENCES principals ON DELETE CASCADE;
COMMENT ON COLUMN api_tokens.principal_id IS 'Who it speaks for: tenant and role are the principal''s.';
COMMENT ON COLUMN api_tokens.last_used_at IS 'To the minute.';
CREATE INDEX api_tokens_by_principal ON api_tokens (principal_id);
ALTER POLICY everything ON api_tokens TO omnibus_owner, omnibus_admin, omnibus_readonly;
CREATE POLICY own_tenant ON api_tokens TO omnibus_gateway
  USING (EXISTS (SELECT FROM principals p
                 WHERE p.id = principal_id AND p.domain = NULLIF(current_setting('app.tenant', true), '')));
CREATE POLICY operator ON api_tokens TO omnibus_gateway USING (pipeline.acts_for_all_tenants());
GRANT SELECT (id, principal_id, name, created_at, expires_at, last_used_at, revoked_at) ON api_tokens
  TO omnibus_gateway, omnibus_readonly;
GRANT SELECT, INSERT, UPDATE ON api_tokens TO omnibus_admin;

-- The gateway cannot list tokens; it can ask whose the one is that it was shown.
CREATE FUNCTION authenticate(p_token_sha256 bytea) RETURNS TABLE (principal uuid, person uuid, domain text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT p.id, NULL::uuid, p.domain, p.role
  FROM public.api_tokens k
  JOIN public.principals p ON p.id = k.principal_id
  LEFT JOIN public.tenants t ON t.domain = p.domain
  WHERE k.token_sha256 = p_token_sha256 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND p.disabled_at IS NULL AND (p.domain IS NULL OR t.status = 'active');
END;
COMMENT ON FUNCTION authenticate IS 'Who a valid token speaks for: principal, its person if there is one, tenant (NULL: all) and role. No row for a token that is revoked or expired, whose principal is disabled, or whose tenant is suspended.';
REVOKE EXECUTE ON FUNCTION authenticate(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION authenticate(bytea) TO omnibus_gateway;

-- At most one write a minute for each token, and none waits for another's.
CREATE FUNCTION note_token_use(p_token_sha256 bytea) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  UPDATE public.api_tokens k SET last_used_at = now()
  WHERE k.id = (SELECT u.id FROM public.api_tokens u
                WHERE u.token_sha256 = p_token_sha256
                  AND (u.last_used_at IS NULL OR u.last_used_at < now() - interval '1 minute')
                FOR UPDATE SKIP LOCKED);
END;
COMMENT ON FUNCTION note_token_use IS 'Sets the last use of a token to now, unless it was set within a minute.';
REVOKE EXECUTE ON FUNCTION note_token_use(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION note_token_use(bytea) TO omnibus_gateway;

CREATE TABLE access_log (
  id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain       text        REFERENCES tenants ON DELETE CASCADE,
  principal_id uuid        REFERENCES principals ON DELETE SET NULL,
  action       text        NOT NULL,
  object       text        CHECK (length(object) <= 500),
  result       text        NOT NULL,
  ip_hash      bytea,
  created_at   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE access_log IS 'Who did or was refused what: keys, ids and counts, no texts.';
COMMENT ON COLUMN access_log.domain IS 'The tenant it concerns. NULL: the whole installation.';
COMMENT ON COLUMN access_log.ip_hash IS 'A keyed hash of the caller''s address.';
CREATE INDEX access_log_by_domain ON access_log (domain, created_at);
CREATE INDEX access_log_by_principal ON access_log (principal_id);

ALTER TABLE access_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON access_log TO omnibus_owner, omnibus_admin, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON access_log TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY operator ON access_log TO omnibus_gateway USING (pipeline.acts_for_all_tenants());
GRANT SELECT, INSERT ON access_log TO omnibus_gateway, omnibus_admin;
GRANT SELECT ON access_log TO omnibus_readonly;

-- The new role is no worker's, either.
CREATE OR REPLACE FUNCTION pipeline.worker_role(p_worker text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_worker IS NULL OR p_worker !~ '^[a-z][a-z0-9_]{0,40}$' THEN
    RAISE EXCEPTION 'a worker is named by a lower-case letter and at most 40 of a-z, 0-9 and _, not %', quote_nullable(p_worker)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF p_worker IN ('owner', 'replay', 'readonly', 'operator', 'admin') THEN
    RAISE EXCEPTION 'omnibus_% is no worker''s role', p_worker USING ERRCODE = 'reserved_name';
  END IF;
  RETURN 'omnibus_' || p_worker;
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

CREATE OR REPLACE FUNCTION pipeline.worker_role(p_worker text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_worker IS NULL OR p_worker !~ '^[a-z][a-z0-9_]{0,40}$' THEN
    RAISE EXCEPTION 'a worker is named by a lower-case letter and at most 40 of a-z, 0-9 and _, not %', quote_nullable(p_worker)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF p_worker IN ('owner', 'replay', 'readonly', 'operator') THEN
    RAISE EXCEPTION 'omnibus_% is no worker''s role', p_worker USING ERRCODE = 'reserved_name';
  END IF;
  RETURN 'omnibus_' || p_worker;
END
$$;

DROP TABLE access_log;
DROP FUNCTION note_token_use(bytea);
DROP FUNCTION authenticate(bytea);

-- Only tokens of a tenant's service or operator existed then.
DELETE FROM api_tokens k USING principals p
WHERE p.id = k.principal_id AND (p.domain IS NULL OR p.role <> 'service');
DROP POLICY own_tenant ON api_tokens;
DROP POLICY operator ON api_tokens;
REVOKE ALL ON api_tokens FROM omnibus_admin;
ALTER POLICY everything ON api_tokens TO omnibus_owner, omnibus_readonly;
ALTER TABLE api_tokens
  ADD COLUMN domain text REFERENCES tenants ON DELETE CASCADE,
  ADD COLUMN role   text NOT NULL DEFAULT 'tenant' CHECK (role IN ('tenant', 'operator'));
UPDATE api_tokens k SET domain = p.domain FROM principals p WHERE p.id = k.principal_id;
ALTER TABLE api_tokens
  ALTER COLUMN domain SET NOT NULL,
  DROP CONSTRAINT api_tokens_pkey,
  DROP CONSTRAINT api_tokens_token_sha256_key,
  ADD PRIMARY KEY (token_sha256),
  DROP COLUMN id,
  DROP COLUMN principal_id,
  DROP COLUMN name,
  DROP COLUMN expires_at,
  DROP COLUMN last_used_at;
CREATE INDEX api_tokens_by_domain ON api_tokens (domain);
CREATE POLICY own_tenant ON api_tokens TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT (domain, role) ON api_tokens TO omnibus_gateway, omnibus_readonly;

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

REVOKE ALL ON tenants FROM omnibus_admin;
DROP POLICY administration ON tenants;

ALTER POLICY operator ON chat_telemetry USING (current_setting('app.role', true) = 'operator');
ALTER POLICY operator ON chat_telemetry_rollups USING (current_setting('app.role', true) = 'operator');
ALTER POLICY operator ON chat_telemetry_domain_rollups USING (current_setting('app.role', true) = 'operator');
ALTER POLICY operator ON chat_telemetry_model_rollups USING (current_setting('app.role', true) = 'operator');
DROP TABLE principals;
DROP FUNCTION pipeline.acts_for_all_tenants();

RESET ROLE;

DO $$
BEGIN
  DROP ROLE IF EXISTS omnibus_admin;
EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
  RAISE NOTICE 'role omnibus_admin stays: another database needs it';
END
$$;
