-- Records to publish, written in the transaction of the effect that they tell of.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- A transaction takes one block of 1024 ids as it begins and numbers its rows itself: that saves a round trip.
CREATE SEQUENCE pipeline.outbox_id AS bigint INCREMENT BY 1024;

CREATE TABLE pipeline.outbox (
  id               bigint      PRIMARY KEY DEFAULT nextval('pipeline.outbox_id'),
  consumer         text        NOT NULL,
  source_topic     text        NOT NULL,
  source_partition int         NOT NULL,
  topic            text        NOT NULL,
  partition        int,
  key              bytea,
  headers          bytea       NOT NULL DEFAULT '\x00000000',
  value            bytea,
  created_at       timestamptz NOT NULL DEFAULT now()
)
-- Rows live for milliseconds: vacuum by their number, not by their share.
WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
ALTER SEQUENCE pipeline.outbox_id OWNED BY pipeline.outbox.id;
COMMENT ON TABLE pipeline.outbox IS 'Records to publish: by the worker right after its commit, by the relay when it died in between.';
COMMENT ON COLUMN pipeline.outbox.consumer IS 'The worker that wrote it, with the topic and partition whose event caused it.';
COMMENT ON COLUMN pipeline.outbox.headers IS 'Their number, then for each the length and bytes of name and value; lengths are 32 bits big-endian, -1 for an absent value.';

GRANT SELECT, INSERT, DELETE ON pipeline.outbox TO omnibus_chat;
GRANT SELECT, UPDATE, DELETE ON pipeline.outbox TO omnibus_relay; -- UPDATE: it locks the rows it sweeps
GRANT SELECT ON pipeline.outbox TO omnibus_replay, omnibus_readonly;
-- A replay numbers rows it may not write: admission is the same for everyone, the refusal comes with the INSERT.
GRANT USAGE ON SEQUENCE pipeline.outbox_id TO omnibus_chat, omnibus_replay;

RESET ROLE;

-- migrate:down
DROP TABLE pipeline.outbox;
