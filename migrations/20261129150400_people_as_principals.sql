-- A person of the matches can hold a token: the principal it speaks for is that person.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE users ADD CONSTRAINT users_auth_user_id_fkey FOREIGN KEY (auth_user_id) REFERENCES principals ON DELETE SET NULL;
CREATE POLICY administration ON users TO omnibus_admin USING (true) WITH CHECK (true);
GRANT SELECT (id, domain, handle, auth_user_id), UPDATE (auth_user_id) ON users TO omnibus_admin;

CREATE OR REPLACE FUNCTION authenticate(p_token_sha256 bytea)
RETURNS TABLE (principal uuid, person uuid, domain text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT p.id, u.id, p.domain, p.role
  FROM public.api_tokens k
  JOIN public.principals p ON p.id = k.principal_id
  LEFT JOIN public.tenants t ON t.domain = p.domain
  LEFT JOIN public.users u ON u.auth_user_id = p.id AND u.domain = p.domain
  WHERE k.token_sha256 = p_token_sha256 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND p.disabled_at IS NULL AND (p.domain IS NULL OR t.status = 'active');
END;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION authenticate(p_token_sha256 bytea)
RETURNS TABLE (principal uuid, person uuid, domain text, role text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT p.id, NULL::uuid, p.domain, p.role
  FROM public.api_tokens k
  JOIN public.principals p ON p.id = k.principal_id
  LEFT JOIN public.tenants t ON t.domain = p.domain
  WHERE k.token_sha256 = p_token_sha256 AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
    AND p.disabled_at IS NULL AND (p.domain IS NULL OR t.status = 'active');
END;
REVOKE ALL ON users FROM omnibus_admin;
REVOKE ALL (id, domain, handle, auth_user_id) ON users FROM omnibus_admin;
DROP POLICY administration ON users;
ALTER TABLE users DROP CONSTRAINT users_auth_user_id_fkey;
RESET ROLE;
