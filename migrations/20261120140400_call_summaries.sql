-- What was agreed in a call, where whoever summarises it writes it here instead of into the event.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE call_summaries (
  domain     text        NOT NULL REFERENCES tenants,
  call_id    text        NOT NULL CHECK (call_id <> ''),
  summary    text        NOT NULL CHECK (summary <> ''),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, call_id)
);

ALTER TABLE call_summaries ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON call_summaries TO omnibus_owner, omnibus_call, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
GRANT SELECT, INSERT ON call_summaries TO omnibus_call;
GRANT SELECT ON call_summaries TO omnibus_replay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE call_summaries;
