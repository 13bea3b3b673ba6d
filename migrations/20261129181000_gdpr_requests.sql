-- What the gdpr worker needs to go on with a request: the person's identities that were named, and whether it only counts.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE gdpr_requests
  ADD COLUMN identities text[] NOT NULL DEFAULT '{}',
  ADD COLUMN dry_run boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN gdpr_requests.identities IS 'The subject keys that the request named, its own included.';
COMMENT ON COLUMN gdpr_requests.dry_run IS 'Only finds identities and counts.';

-- Who asked is stored only if it is one of the principals.
CREATE POLICY privacy ON principals FOR SELECT TO omnibus_gdpr USING (true);
GRANT SELECT (id) ON principals TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE ALL ON principals FROM omnibus_gdpr;
DROP POLICY privacy ON principals;
ALTER TABLE gdpr_requests DROP COLUMN dry_run, DROP COLUMN identities;
RESET ROLE;
