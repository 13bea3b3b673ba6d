-- When a person was recorded, so that an older event, such as a redriven dead letter, does not overwrite a newer one.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE users ADD recorded_at timestamptz;
COMMENT ON COLUMN users.recorded_at IS 'The time of the event that recorded the person last; missing: not known.';
COMMENT ON COLUMN personal_stories.updated_at IS 'The time of the event that changed the story last.';

RESET ROLE;

-- migrate:down
ALTER TABLE users DROP recorded_at;
COMMENT ON COLUMN personal_stories.updated_at IS NULL;
