-- A legal hold on somebody else may keep a deletion. Whom it keeps is stored apart from whom the request names: a deletion that
-- is released must not erase the other person, too.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE gdpr_requests ADD COLUMN held_by text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN gdpr_requests.held_by IS 'The subject keys of the holds that keep a held deletion: also of the other halves of matches.';

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
ALTER TABLE gdpr_requests DROP COLUMN held_by;
RESET ROLE;
