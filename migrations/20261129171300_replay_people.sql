-- A replay of people and matches changes no person and no override: only its restored matches lock both people, for
-- which PostgreSQL wants the right to update some column.

-- migrate:up
SET LOCAL ROLE omnibus_owner;
REVOKE UPDATE ON users, personal_stories FROM omnibus_replay;
REVOKE DELETE ON personal_stories FROM omnibus_replay;
REVOKE INSERT, DELETE ON omniscient_blocks FROM omnibus_replay;
REVOKE INSERT ON omniscient_insight_overrides FROM omnibus_replay;
GRANT UPDATE (created_at) ON users TO omnibus_replay;
RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE UPDATE (created_at) ON users FROM omnibus_replay;
GRANT INSERT ON omniscient_insight_overrides TO omnibus_replay;
GRANT INSERT, DELETE ON omniscient_blocks TO omnibus_replay;
GRANT UPDATE ON users, personal_stories TO omnibus_replay;
GRANT DELETE ON personal_stories TO omnibus_replay;
RESET ROLE;
