-- The messages of a conversation, in order.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE messages (
  id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  conversation_id uuid        NOT NULL REFERENCES conversations ON DELETE CASCADE,
  seq             bigint      NOT NULL CHECK (seq > 0),
  role            text        NOT NULL CHECK (role IN ('user', 'assistant', 'tool', 'agent', 'system')),
  content         text        CHECK (content IS NOT NULL OR tool_calls IS NOT NULL OR purged_at IS NOT NULL),
  tool_calls      jsonb,
  sentiment       text        CHECK (sentiment IN ('positive', 'neutral', 'negative')),
  source_event_id uuid        UNIQUE,
  in_reply_to     uuid,
  created_at      timestamptz NOT NULL DEFAULT now(),
  purged_at       timestamptz,
  UNIQUE (conversation_id, seq)
);
COMMENT ON COLUMN messages.source_event_id IS 'The key of the event that brought or announced it: one message per event.';
COMMENT ON COLUMN messages.in_reply_to IS 'The id of the message that this one answers.';
COMMENT ON COLUMN messages.purged_at IS 'When retention or a deletion request removed the content.';
CREATE INDEX messages_by_age ON messages USING brin (created_at) WITH (autosummarize = on);

ALTER TABLE messages ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON messages TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
-- Conversations have a policy of their own, which the subquery is subject to.
CREATE POLICY own_tenant ON messages TO omnibus_gateway
  USING (EXISTS (SELECT FROM conversations c WHERE c.id = conversation_id
                 AND c.domain = NULLIF(current_setting('app.tenant', true), '')));
GRANT SELECT, INSERT ON messages TO omnibus_chat, omnibus_replay;
GRANT SELECT ON messages TO omnibus_gateway, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE messages;
