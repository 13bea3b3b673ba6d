-- What is said between a visitor and an assistant.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE conversations (
  id              uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain          text        NOT NULL REFERENCES tenants,
  session_id      text        NOT NULL CHECK (session_id <> ''),
  channel         text        NOT NULL DEFAULT 'chat' CHECK (channel ~ '^[a-z][a-z0-9_-]{0,31}$'),
  status          text        NOT NULL DEFAULT 'open'
                              CHECK (status IN ('open', 'pending', 'snoozed', 'resolved', 'escalated')),
  priority        text        NOT NULL DEFAULT 'normal' CHECK (priority IN ('low', 'normal', 'high', 'urgent')),
  owner_id        uuid,
  tags            text[]      NOT NULL DEFAULT '{}',
  csat            smallint    CHECK (csat BETWEEN 1 AND 5),
  unread_count    int         NOT NULL DEFAULT 0 CHECK (unread_count >= 0),
  takeover_epoch  int         NOT NULL DEFAULT 0 CHECK (takeover_epoch >= 0),
  last_message_at timestamptz,
  created_at      timestamptz NOT NULL DEFAULT now(),
  updated_at      timestamptz NOT NULL DEFAULT now(),
  UNIQUE (domain, session_id)
)
WITH (fillfactor = 80); -- every turn updates the row: room for it to stay on its page
COMMENT ON COLUMN conversations.owner_id IS 'The person who has taken the conversation over; the assistant is silent then.';
COMMENT ON COLUMN conversations.takeover_epoch IS 'Grows with every take-over and release: a reply begun under an older one is suppressed.';
-- Not by last_message_at: an index on what every turn changes would cost every turn.
CREATE INDEX conversations_unresolved ON conversations (domain, created_at DESC, id) WHERE status <> 'resolved';

ALTER TABLE conversations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON conversations TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON conversations TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON conversations TO omnibus_chat, omnibus_replay;
GRANT SELECT ON conversations TO omnibus_gateway, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE conversations;
