-- Which batch asked for a match. A batch stores its pairs before they are analysed: so another one does not ask for them
-- again, and it is known when all of them are analysed.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE omniscient_matches ADD batch_id uuid;
COMMENT ON COLUMN omniscient_matches.batch_id IS 'The batch that asked for it; missing for a pair that somebody chose.';
CREATE INDEX omniscient_matches_by_batch ON omniscient_matches (batch_id) WHERE batch_id IS NOT NULL;

RESET ROLE;

-- migrate:down
ALTER TABLE omniscient_matches DROP batch_id;
