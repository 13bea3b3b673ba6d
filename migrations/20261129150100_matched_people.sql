-- The people who are matched with one another, what they tell of themselves, and whom they do not want to meet.

-- migrate:up
CREATE SCHEMA auth AUTHORIZATION omnibus_owner;
SET LOCAL ROLE omnibus_owner;

GRANT USAGE ON SCHEMA auth TO authenticated, service_role;
CREATE FUNCTION auth.uid() RETURNS uuid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT NULLIF(current_setting('app.principal', true), '')::uuid;
END;
COMMENT ON FUNCTION auth.uid IS 'The principal for whom the gateway reads; the seed''s policies ask for it by this name.';

CREATE TABLE users (
  id                       uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain                   text        NOT NULL REFERENCES tenants,
  auth_user_id             uuid        UNIQUE,
  role                     text        NOT NULL DEFAULT 'visitor' CHECK (role IN ('visitor', 'admin')),
  status                   text        NOT NULL DEFAULT 'PENDING' CHECK (status IN ('PENDING', 'APPROVED', 'SUSPENDED')),
  handle                   text        NOT NULL CHECK (length(handle) BETWEEN 1 AND 64),
  timezone                 text        NOT NULL DEFAULT 'UTC',
  email                    text,
  deep_analysis_consent_at timestamptz,
  created_at               timestamptz NOT NULL DEFAULT now(),
  UNIQUE (domain, handle),
  UNIQUE (id, domain)
);
COMMENT ON COLUMN users.auth_user_id IS 'The principal who is this person; missing for somebody who cannot sign in.';
COMMENT ON COLUMN users.timezone IS 'A name of pg_timezone_names.';
COMMENT ON COLUMN users.deep_analysis_consent_at IS 'Without it no pair of this person is analysed.';

CREATE TABLE personal_stories (
  user_id             uuid        PRIMARY KEY REFERENCES users ON DELETE CASCADE,
  narrative           text        NOT NULL CHECK (length(narrative) <= 8000),
  current_focus       text        CHECK (length(current_focus) <= 8000),
  seeking_connections text[]      NOT NULL DEFAULT '{}',
  offering_expertise  text[]      NOT NULL DEFAULT '{}',
  updated_at          timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE personal_stories IS 'What a person tells of themselves. Without a story a person is in no pair.';

CREATE TABLE omniscient_blocks (
  user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
  other_id   uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (user_id, other_id),
  CHECK (user_id <> other_id)
);
COMMENT ON TABLE omniscient_blocks IS 'user_id does not want to meet other_id: works in both directions.';
CREATE INDEX omniscient_blocks_by_other ON omniscient_blocks (other_id);

ALTER TABLE users ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE personal_stories ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_blocks ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON users TO omnibus_owner, service_role, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON personal_stories TO omnibus_owner, service_role, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_blocks TO omnibus_owner, service_role, omnibus_readonly USING (true) WITH CHECK (true);
-- For the gateway: within the tenant it names, oneself; an operator or admin sees everyone.
CREATE POLICY own_tenant ON users AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY oneself ON users TO authenticated USING (auth_user_id = auth.uid());
CREATE POLICY operator ON users TO authenticated USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY of_user ON personal_stories TO authenticated USING (EXISTS (SELECT FROM users u WHERE u.id = user_id));

GRANT SELECT ON users, personal_stories, omniscient_blocks TO service_role, omnibus_readonly;
GRANT SELECT ON users, personal_stories TO authenticated;
-- Only match writes people. A replay finds those who are there, and makes nobody who was deleted again.
GRANT INSERT, UPDATE ON users, personal_stories TO omnibus_match;
GRANT INSERT, DELETE ON omniscient_blocks TO omnibus_match;
GRANT UPDATE ON users, personal_stories TO omnibus_replay;
GRANT INSERT, DELETE ON omniscient_blocks TO omnibus_replay;

RESET ROLE;

-- migrate:down
DROP TABLE omniscient_blocks, personal_stories, users;
DROP FUNCTION auth.uid();
DROP SCHEMA auth;
