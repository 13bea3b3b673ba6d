-- A caller of the gateway may post the same thing again under the same key: it is published once.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.idempotency_keys (
  domain     text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  key_hash   bytea       NOT NULL CHECK (octet_length(key_hash) = 32),
  body_hash  bytea       NOT NULL CHECK (octet_length(body_hash) = 32),
  event_id   uuid        NOT NULL,
  state      text        NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'published')),
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (domain, key_hash)
);
COMMENT ON TABLE pipeline.idempotency_keys IS 'The event a key stands for. Pending: the broker has not confirmed it, and a repeat publishes the same event again.';
CREATE INDEX idempotency_keys_by_age ON pipeline.idempotency_keys USING brin (created_at);

ALTER TABLE pipeline.idempotency_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON pipeline.idempotency_keys TO omnibus_owner, omnibus_relay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON pipeline.idempotency_keys TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON pipeline.idempotency_keys TO omnibus_gateway;
GRANT SELECT, DELETE ON pipeline.idempotency_keys TO omnibus_relay; -- it forgets the old ones
GRANT SELECT ON pipeline.idempotency_keys TO omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE pipeline.idempotency_keys;
