-- What people asked for about their data, and what was done: requests, audit, consents, opt-outs, holds. No text, number
-- or name stands in these tables: a person is a subject key.

-- migrate:up
SELECT pipeline.create_worker('gdpr');

SET LOCAL ROLE omnibus_owner;

CREATE DOMAIN subject_key AS text CHECK (VALUE ~ '^[0-9a-f]{32}$');
COMMENT ON DOMAIN subject_key IS 'Who it is about: a keyed hash of a number, a WhatsApp id, a session or a user id; or the hex digits of a UUID that stands for one person, such as a conversation''s.';

CREATE TABLE gdpr_requests (
  id            uuid        PRIMARY KEY,
  domain        text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  kind          text        NOT NULL CHECK (kind IN ('export', 'delete')),
  subject_key   subject_key NOT NULL,
  status        text        NOT NULL DEFAULT 'received'
                            CHECK (status IN ('received', 'held', 'running', 'completed', 'failed')),
  reason        text        CHECK (reason ~ '^[a-z_]{1,40}$'),
  requested_by  uuid        REFERENCES principals ON DELETE SET NULL,
  held_until    timestamptz,
  completed_at  timestamptz,
  log_clear_at  timestamptz,
  counts        jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counts) = 'object'),
  error         text        CHECK (error ~ '^[a-z_]{1,40}$'),
  created_at    timestamptz NOT NULL DEFAULT now(),
  updated_at    timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE gdpr_requests IS 'Exports and deletions that a tenant''s administrator asked for.';
COMMENT ON COLUMN gdpr_requests.reason IS 'One of a list; no free text.';
COMMENT ON COLUMN gdpr_requests.held_until IS 'A deletion under a legal hold runs when the hold ends.';
COMMENT ON COLUMN gdpr_requests.log_clear_at IS 'By then the topics hold nothing of the person, where the tenant''s log is clear.';
COMMENT ON COLUMN gdpr_requests.counts IS 'Rows, letters and records by table or topic.';
COMMENT ON COLUMN gdpr_requests.error IS 'A class of failure.';
CREATE INDEX gdpr_requests_by_domain ON gdpr_requests (domain, created_at);
CREATE INDEX gdpr_requests_open ON gdpr_requests (subject_key) WHERE status IN ('received', 'held', 'running');

CREATE TABLE gdpr_audit_log (
  id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain      text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  actor       text        NOT NULL CHECK (actor ~ '^[a-z0-9:_-]{1,80}$'),
  action      text        NOT NULL CHECK (action ~ '^[a-z0-9._-]{1,80}$'),
  subject_key subject_key,
  request_id  uuid,
  status      text        NOT NULL CHECK (status ~ '^[a-z_]{1,40}$'),
  payload     jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(payload) = 'object'),
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (request_id, action)
);
COMMENT ON TABLE gdpr_audit_log IS 'Each request, each of its steps once, each prune, key rotation and change of consent by a person of the team. Kept for two years.';
COMMENT ON COLUMN gdpr_audit_log.actor IS 'A principal''s id, or worker:NAME.';
COMMENT ON COLUMN gdpr_audit_log.payload IS 'Ids, kinds and counts; no texts.';
CREATE INDEX gdpr_audit_log_by_domain ON gdpr_audit_log (domain, created_at);
CREATE INDEX gdpr_audit_log_by_age ON gdpr_audit_log (created_at, id);
CREATE INDEX gdpr_audit_log_by_subject ON gdpr_audit_log (subject_key, created_at);

CREATE TABLE consents (
  id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain       text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  subject_key  subject_key NOT NULL,
  purpose      text        NOT NULL CHECK (purpose IN ('processing', 'analytics', 'marketing', 'deep_analysis')),
  granted      boolean     NOT NULL,
  text_version text        CHECK (length(text_version) <= 64),
  source       text        NOT NULL CHECK (source ~ '^[a-z_]{1,40}$'),
  event_id     uuid        NOT NULL,
  created_at   timestamptz NOT NULL DEFAULT now(),
  UNIQUE (event_id, purpose)
);
COMMENT ON TABLE consents IS 'What people agreed to and took back: the newest row of a subject and purpose counts.';
CREATE INDEX consents_newest ON consents (domain, subject_key, purpose, created_at DESC, id DESC);

CREATE TABLE suppressions (
  domain      text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  channel     text        NOT NULL CHECK (channel IN ('sms', 'whatsapp', 'email')),
  subject_key subject_key NOT NULL,
  since       timestamptz NOT NULL DEFAULT now(),
  source      text        NOT NULL CHECK (source ~ '^[a-z_]{1,40}$'),
  PRIMARY KEY (domain, channel, subject_key)
);
COMMENT ON TABLE suppressions IS 'Who does not want messages on a channel. Outlives the profile, and an erasure: it holds a keyed hash only.';

CREATE TABLE legal_holds (
  id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain      text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  subject_key subject_key,
  until       timestamptz,
  created_by  uuid        REFERENCES principals ON DELETE SET NULL,
  released_at timestamptz,
  created_at  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE legal_holds IS 'What no deletion, retention or pruning may take.';
COMMENT ON COLUMN legal_holds.subject_key IS 'NULL: everything of the tenant.';
COMMENT ON COLUMN legal_holds.until IS 'NULL: until released.';
CREATE INDEX legal_holds_in_force ON legal_holds (domain, subject_key) WHERE released_at IS NULL;

CREATE FUNCTION hold_on(p_domain text, p_subject_keys text[]) RETURNS timestamptz
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT max(COALESCE(h.until, 'infinity')) FROM legal_holds h
  WHERE h.domain = p_domain AND h.released_at IS NULL AND (h.until IS NULL OR h.until > now())
    AND (h.subject_key IS NULL OR h.subject_key = ANY (p_subject_keys));
END;
COMMENT ON FUNCTION hold_on IS 'Until when a hold keeps these subjects of the tenant: infinity without an end, NULL without a hold. Each deletion asks in its own transaction.';

CREATE TABLE identity_links (
  id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain      text        NOT NULL REFERENCES tenants ON DELETE CASCADE,
  customer_id uuid        NOT NULL,
  kind        text        NOT NULL CHECK (kind IN ('session', 'phone', 'whatsapp', 'email', 'user', 'external')),
  subject_key subject_key NOT NULL,
  external_id text        NOT NULL CHECK (length(external_id) <= 255),
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (domain, kind, external_id)
);
COMMENT ON TABLE identity_links IS 'The identities that belong to one customer.';
CREATE INDEX identity_links_by_subject ON identity_links (domain, subject_key);
CREATE INDEX identity_links_by_customer ON identity_links (domain, customer_id);

CREATE TABLE pipeline.maintenance_runs (
  id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  name        text        NOT NULL CHECK (name ~ '^[a-z][a-z0-9-]{0,62}$'),
  cutoff      timestamptz NOT NULL,
  position    text,
  done        bigint      NOT NULL DEFAULT 0,
  state       text        NOT NULL DEFAULT 'running' CHECK (state IN ('running', 'finished', 'stopped')),
  reason      text,
  started_at  timestamptz NOT NULL DEFAULT now(),
  finished_at timestamptz
);
COMMENT ON TABLE pipeline.maintenance_runs IS 'Runs of retention and pruning: how far each is.';
COMMENT ON COLUMN pipeline.maintenance_runs.position IS 'Everything before it is done; a run that was interrupted goes on from here.';
COMMENT ON COLUMN pipeline.maintenance_runs.done IS 'Rows so far.';
CREATE INDEX maintenance_runs_by_name ON pipeline.maintenance_runs (name, started_at DESC);

ALTER TABLE conversations ADD COLUMN subject_key subject_key;
ALTER TABLE profiles ADD COLUMN subject_key subject_key;
COMMENT ON COLUMN conversations.subject_key IS 'The visitor''s. NULL: not filled yet.';
COMMENT ON COLUMN profiles.subject_key IS 'The person''s, as in the keys of inbound records. NULL: not filled yet.';
CREATE INDEX conversations_by_subject ON conversations (domain, subject_key);
CREATE INDEX profiles_by_subject ON profiles (domain, subject_key);

-- Until a tenant's configuration is a document, its privacy preferences are in its settings.
CREATE FUNCTION privacy_preferences(p_domain text, OUT consent_required boolean, OUT retention_days int, OUT log text)
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT COALESCE((t.settings -> 'privacy_preferences' ->> 'consent_required')::boolean, false),
         COALESCE((t.settings -> 'privacy_preferences' ->> 'retention_days')::int, 365),
         COALESCE(t.settings -> 'privacy_preferences' ->> 'log', 'clear')
  FROM tenants t WHERE t.domain = p_domain;
END;
COMMENT ON FUNCTION privacy_preferences IS 'A tenant''s privacy preferences with their defaults. Days to keep messages: 0 keeps them.';
ALTER TABLE tenants ADD CONSTRAINT tenants_privacy_preferences_check CHECK (
  COALESCE(jsonb_typeof(settings -> 'privacy_preferences' -> 'consent_required') = 'boolean', true)
  AND COALESCE(jsonb_typeof(settings -> 'privacy_preferences' -> 'retention_days') = 'number'
               AND (settings -> 'privacy_preferences' ->> 'retention_days')::numeric BETWEEN 0 AND 36500
               AND (settings -> 'privacy_preferences' ->> 'retention_days')::numeric % 1 = 0, true)
  AND COALESCE(settings -> 'privacy_preferences' ->> 'log' IN ('clear', 'sealed'), true));

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['gdpr_requests', 'gdpr_audit_log', 'consents', 'suppressions', 'legal_holds', 'identity_links'] LOOP
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', name);
    EXECUTE format('CREATE POLICY own_tenant ON %I TO omnibus_gateway USING (domain = NULLIF(current_setting(''app.tenant'', true), ''''))', name);
    EXECUTE format('CREATE POLICY operator ON %I TO omnibus_gateway USING (pipeline.acts_for_all_tenants())', name);
  END LOOP;
END
$$;
CREATE POLICY everything ON gdpr_requests TO omnibus_owner, omnibus_gdpr, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON gdpr_audit_log TO omnibus_owner, omnibus_gdpr, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON legal_holds TO omnibus_owner, omnibus_gdpr, omnibus_admin, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY everything ON consents TO omnibus_owner, omnibus_gdpr, omnibus_chat, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY everything ON suppressions
  TO omnibus_owner, omnibus_gdpr, omnibus_sms, omnibus_call, omnibus_notify, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY everything ON identity_links TO omnibus_owner, omnibus_gdpr, omnibus_chat, omnibus_readonly
  USING (true) WITH CHECK (true);

GRANT SELECT ON gdpr_requests, gdpr_audit_log, consents, suppressions, legal_holds, identity_links
  TO omnibus_gateway, omnibus_readonly;
GRANT SELECT ON pipeline.maintenance_runs TO omnibus_readonly;
GRANT SELECT, INSERT, UPDATE ON gdpr_requests TO omnibus_gdpr;
GRANT SELECT, INSERT, DELETE ON gdpr_audit_log TO omnibus_gdpr;
GRANT SELECT, DELETE ON consents, identity_links TO omnibus_gdpr;
GRANT SELECT, INSERT ON consents TO omnibus_chat, omnibus_replay;
GRANT SELECT ON suppressions TO omnibus_gdpr, omnibus_call, omnibus_replay;
GRANT SELECT, INSERT, DELETE ON suppressions TO omnibus_sms;
GRANT SELECT, INSERT ON suppressions TO omnibus_notify;
GRANT SELECT ON legal_holds TO omnibus_gdpr;
GRANT SELECT, INSERT, UPDATE ON legal_holds TO omnibus_admin;
GRANT SELECT, INSERT ON identity_links TO omnibus_chat;
GRANT SELECT, INSERT, UPDATE ON pipeline.maintenance_runs TO omnibus_gdpr;

-- The worker reads whose tenant it is.
CREATE POLICY privacy ON tenants FOR SELECT TO omnibus_gdpr USING (true);
GRANT SELECT ON tenants TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE SELECT ON tenants FROM omnibus_gdpr;
DROP POLICY privacy ON tenants;
ALTER TABLE tenants DROP CONSTRAINT tenants_privacy_preferences_check;
DROP FUNCTION privacy_preferences(text);
ALTER TABLE profiles DROP COLUMN subject_key;
ALTER TABLE conversations DROP COLUMN subject_key;
DROP TABLE pipeline.maintenance_runs;
DROP FUNCTION hold_on(text, text[]);
DROP TABLE identity_links, legal_holds, suppressions, consents, gdpr_audit_log, gdpr_requests;
DROP DOMAIN subject_key;
RESET ROLE;
SELECT pipeline.drop_worker('gdpr');
