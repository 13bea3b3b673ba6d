-- What a running conversation remembers beyond the seed's columns: which insights a turn advanced, and the exact cost.
-- What was deleted with a person stays deleted: the log still asks for its next turn.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE omniscient_turns ADD COLUMN advanced_insights uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN omniscient_turns.advanced_insights IS 'Those of guided_by_insights that are dealt with: no later turn is given them.';
ALTER TABLE omniscient_conversations ADD COLUMN spent_usd numeric(18,9) NOT NULL DEFAULT 0;
COMMENT ON COLUMN omniscient_conversations.spent_usd IS 'total_cost before rounding: a call costs less than its last place.';

CREATE TRIGGER remember_deleted AFTER DELETE ON omniscient_matches REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION pipeline.remember_deleted_conversations();
CREATE TRIGGER remember_deleted AFTER DELETE ON omniscient_conversations REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION pipeline.remember_deleted_conversations();
GRANT SELECT ON pipeline.forgotten TO omnibus_conversation;
COMMENT ON TABLE pipeline.forgotten IS 'Conversations and matches that were deleted, and the events whose messages were: a replay may not insert them. Kept for longer than any topic keeps its records: see pipeline.prune_inbox.';

CREATE POLICY replayed ON omniscient_conversations AS RESTRICTIVE FOR INSERT TO omnibus_replay
  WITH CHECK (NOT EXISTS (SELECT FROM pipeline.forgotten f WHERE f.id = omniscient_conversations.id));

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP POLICY replayed ON omniscient_conversations;
COMMENT ON TABLE pipeline.forgotten IS 'Conversations that were deleted, and the events whose messages were: a replay may not insert them. Kept for longer than any topic keeps its records: see pipeline.prune_inbox.';
REVOKE SELECT ON pipeline.forgotten FROM omnibus_conversation;
DROP TRIGGER remember_deleted ON omniscient_conversations;
DROP TRIGGER remember_deleted ON omniscient_matches;
ALTER TABLE omniscient_conversations DROP COLUMN spent_usd;
ALTER TABLE omniscient_turns DROP COLUMN advanced_insights;
RESET ROLE;
