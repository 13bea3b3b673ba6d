-- Replays: a worker goes through a window of its topics once more. What they may not do, PostgreSQL refuses them: they
-- act as omnibus_replay, which cannot publish (no INSERT into the outbox), send, or record an answer, and which cannot
-- bring back what was deleted.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.replay_runs (
  run         text        PRIMARY KEY CHECK (run ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$'),
  worker      text        NOT NULL,
  group_id    text        NOT NULL,
  topics      text[]      NOT NULL,
  window_from text        NOT NULL,
  window_to   text        NOT NULL,
  started_by  text        NOT NULL,
  started_at  timestamptz NOT NULL DEFAULT now(),
  ended_at    timestamptz
);
COMMENT ON TABLE pipeline.replay_runs IS 'Who replays, or has replayed, which window.';
COMMENT ON COLUMN pipeline.replay_runs.window_from IS 'earliest, now or a time in RFC 3339, as it was asked for; the offsets it came to are in replay_progress.';
COMMENT ON COLUMN pipeline.replay_runs.ended_at IS 'When the last of its partitions was gone through.';

CREATE TABLE pipeline.replay_progress (
  run         text   NOT NULL REFERENCES pipeline.replay_runs ON DELETE CASCADE,
  topic       text   NOT NULL,
  partition   int    NOT NULL,
  from_offset bigint NOT NULL,
  to_offset   bigint NOT NULL,
  position    bigint NOT NULL,
  PRIMARY KEY (run, topic, partition),
  CHECK (from_offset <= position AND position <= to_offset)
);
COMMENT ON COLUMN pipeline.replay_progress.position IS 'Everything before it is done.';

CREATE TABLE pipeline.replay_members (
  run        text        NOT NULL REFERENCES pipeline.replay_runs ON DELETE CASCADE,
  member     text        NOT NULL,
  per_s      float8      NOT NULL,
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (run, member)
);
COMMENT ON TABLE pipeline.replay_members IS 'The processes that worked on a replay, with the events a second each last made.';

CREATE TABLE pipeline.replay_outcomes (
  run     text   NOT NULL REFERENCES pipeline.replay_runs ON DELETE CASCADE,
  outcome text   NOT NULL CHECK (outcome IN ('handled', 'skipped', 'failed', 'suppressed')),
  reason  text   NOT NULL,
  events  bigint NOT NULL,
  PRIMARY KEY (run, outcome, reason)
);
COMMENT ON TABLE pipeline.replay_outcomes IS 'What became of the events, and how many publications were suppressed. Events in the works when a process is killed are counted once more when they come again.';

GRANT SELECT, INSERT, UPDATE ON pipeline.replay_runs, pipeline.replay_progress, pipeline.replay_members,
  pipeline.replay_outcomes TO omnibus_replay;
GRANT SELECT ON pipeline.replay_runs, pipeline.replay_progress, pipeline.replay_members, pipeline.replay_outcomes
  TO omnibus_readonly;

-- What was deleted stays deleted: the log still holds its events, and a replay must not make it again. (A table that
-- was truncated or lost is rebuilt; content that was purged leaves its row, which a replay leaves as it is.)
CREATE TABLE pipeline.forgotten (
  id           uuid        PRIMARY KEY,
  forgotten_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pipeline.forgotten IS 'Conversations that were deleted, and the events whose messages were: a replay may not insert them. Not needed for longer than any topic keeps its records.';

CREATE FUNCTION pipeline.remember_deleted_conversations() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO pipeline.forgotten (id) SELECT id FROM gone ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER remember_deleted AFTER DELETE ON conversations REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION pipeline.remember_deleted_conversations();

CREATE FUNCTION pipeline.remember_deleted_messages() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  INSERT INTO pipeline.forgotten (id) SELECT source_event_id FROM gone WHERE source_event_id IS NOT NULL
  ON CONFLICT DO NOTHING;
  RETURN NULL;
END
$$;
CREATE TRIGGER remember_deleted AFTER DELETE ON messages REFERENCING OLD TABLE AS gone
  FOR EACH STATEMENT EXECUTE FUNCTION pipeline.remember_deleted_messages();

GRANT SELECT ON pipeline.forgotten TO omnibus_replay, omnibus_readonly;

ALTER POLICY everything ON conversations TO omnibus_owner, omnibus_chat, omnibus_readonly;
CREATE POLICY replayed ON conversations TO omnibus_replay
  USING (true) WITH CHECK (NOT EXISTS (SELECT FROM pipeline.forgotten f WHERE f.id = conversations.id));
ALTER POLICY everything ON messages TO omnibus_owner, omnibus_chat, omnibus_readonly;
CREATE POLICY replayed ON messages TO omnibus_replay
  USING (true) WITH CHECK (NOT EXISTS (SELECT FROM pipeline.forgotten f
                                       WHERE f.id IN (messages.source_event_id, messages.conversation_id)));
-- Who has a conversation, and what became of it, is none of a replay's business.
REVOKE UPDATE ON conversations FROM omnibus_replay;
GRANT UPDATE (last_message_at, updated_at) ON conversations TO omnibus_replay;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE UPDATE (last_message_at, updated_at) ON conversations FROM omnibus_replay;
GRANT UPDATE ON conversations TO omnibus_replay;
DROP POLICY replayed ON messages;
ALTER POLICY everything ON messages TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly;
DROP POLICY replayed ON conversations;
ALTER POLICY everything ON conversations TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly;
DROP TRIGGER remember_deleted ON messages;
DROP FUNCTION pipeline.remember_deleted_messages();
DROP TRIGGER remember_deleted ON conversations;
DROP FUNCTION pipeline.remember_deleted_conversations();
DROP TABLE pipeline.forgotten, pipeline.replay_outcomes, pipeline.replay_members, pipeline.replay_progress, pipeline.replay_runs;
RESET ROLE;
