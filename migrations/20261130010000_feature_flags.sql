-- Features that a tenant turns on for a share of its subjects first, and off again.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE feature_flags (
  id         uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
  domain     text         NOT NULL REFERENCES tenants,
  name       text         NOT NULL CHECK (name ~ '^[a-z][a-z0-9_]{0,63}$'),
  enabled    boolean      NOT NULL DEFAULT true,
  percent    numeric(5,2) NOT NULL DEFAULT 100 CHECK (percent BETWEEN 0 AND 100),
  subjects   text[]       NOT NULL DEFAULT '{}' CHECK (array_position(subjects, NULL) IS NULL),
  created_at timestamptz  NOT NULL DEFAULT now(),
  CONSTRAINT feature_flags_one_per_tenant UNIQUE (domain, name)
);
COMMENT ON TABLE feature_flags IS 'For whom a feature is on. Without a row it is on for everybody.';
COMMENT ON COLUMN feature_flags.enabled IS 'false: it is on for nobody.';
COMMENT ON COLUMN feature_flags.percent IS 'The share of subjects that it is on for. Whoever is in a share is in each larger one.';
COMMENT ON COLUMN feature_flags.subjects IS 'It is on for these whatever the share. Of omniscient_matching: pairs, as the keys of match.requests.';

ALTER TABLE feature_flags ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON feature_flags TO omnibus_owner, omnibus_match, omnibus_readonly, omnibus_operator
  USING (true) WITH CHECK (true);
GRANT SELECT ON feature_flags TO omnibus_match, omnibus_readonly;
GRANT SELECT, INSERT, UPDATE ON feature_flags TO omnibus_operator;

RESET ROLE;

-- migrate:down
DROP TABLE feature_flags;
