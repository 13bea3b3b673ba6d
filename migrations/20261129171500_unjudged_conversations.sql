-- A completed conversation that could not be judged says so: else whoever follows it would wait for its outcome for ever.

-- migrate:up
SET LOCAL ROLE omnibus_owner;
GRANT UPDATE (error) ON omniscient_conversations TO omnibus_outcome;
COMMENT ON COLUMN omniscient_conversations.error IS
  'Of a failed conversation: what went wrong. Of a completed one without an outcome: why it could not be judged.';
RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
COMMENT ON COLUMN omniscient_conversations.error IS NULL;
REVOKE UPDATE (error) ON omniscient_conversations FROM omnibus_outcome;
RESET ROLE;
