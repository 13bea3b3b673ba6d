-- The customers whose conversations these are. Row-level security is forced on every table of theirs: a worker's role
-- has a policy that shows it everything, the gateway's role sees the tenant named in app.tenant and nothing without one.
-- (A transaction-local setting reads as '' once it has been reset, hence NULLIF.)

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE tenants (
  domain     text        PRIMARY KEY CHECK (domain ~ '^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$'),
  status     text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended')),
  settings   jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(settings) = 'object'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now()
);

ALTER TABLE tenants ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON tenants TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON tenants TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT ON tenants TO omnibus_gateway, omnibus_chat, omnibus_replay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE tenants;
