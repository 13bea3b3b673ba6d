-- When a report was rated, so that an older rating, such as one of a replay, does not replace a later one.

-- migrate:up
SET LOCAL ROLE omnibus_owner;
ALTER TABLE omniscient_reports ADD rated_at timestamptz;
COMMENT ON COLUMN omniscient_reports.rated_at IS 'The time of the event with the rating.';
RESET ROLE;

-- migrate:down
ALTER TABLE omniscient_reports DROP rated_at;
