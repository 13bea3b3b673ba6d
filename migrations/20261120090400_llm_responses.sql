-- Answers of models as they were paid for: a retry after a crash, and a replay, use them again.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.llm_responses (
  request_key uuid        PRIMARY KEY,
  event_id    uuid        NOT NULL,
  model       text        NOT NULL,
  response    jsonb       NOT NULL,
  created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pipeline.llm_responses IS 'A recorded answer per request; request_key names event, step and model.';
CREATE INDEX llm_responses_by_event ON pipeline.llm_responses (event_id);

GRANT SELECT, INSERT, DELETE ON pipeline.llm_responses TO omnibus_chat;
GRANT SELECT ON pipeline.llm_responses TO omnibus_replay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE pipeline.llm_responses;
