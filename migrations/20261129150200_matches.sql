-- Matches of two people, and the insights they rest on. Columns and policies have the seed's names; its two grants on
-- all tables are narrowed to what each worker does: nobody but match writes a match.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TYPE omniscient_match_status AS ENUM ('pending_analysis', 'analyzed', 'scheduled', 'active', 'completed', 'cancelled');
CREATE TYPE omniscient_outcome AS ENUM ('STRONG_MATCH', 'EXPLORATORY', 'FUTURE_POTENTIAL', 'NO_MATCH');
CREATE TYPE omniscient_insight_type AS ENUM ('opportunity', 'synergy', 'risk', 'hidden_asset', 'network_effect', 'next_step');

CREATE FUNCTION update_omniscient_updated_at() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  NEW.updated_at = now();
  RETURN NEW;
END
$$;

CREATE TABLE omniscient_insights (
  id           uuid                    PRIMARY KEY DEFAULT gen_random_uuid(),
  insight_type omniscient_insight_type NOT NULL,
  title        text                    NOT NULL,
  description  text                    NOT NULL,
  metadata     jsonb                   DEFAULT '{}',
  score        decimal(3,2)            CHECK (score >= 0 AND score <= 1),
  created_at   timestamptz             DEFAULT now(),
  domain       text                    NOT NULL REFERENCES tenants,
  user_a_id    uuid                    REFERENCES users ON DELETE CASCADE,
  user_b_id    uuid                    REFERENCES users ON DELETE CASCADE
);
CREATE INDEX omniscient_insights_by_user_a ON omniscient_insights (user_a_id);
CREATE INDEX omniscient_insights_by_user_b ON omniscient_insights (user_b_id);

CREATE TABLE omniscient_matches (
  id                      uuid                    PRIMARY KEY DEFAULT gen_random_uuid(),
  user_a_id               uuid                    NOT NULL REFERENCES users ON DELETE CASCADE,
  user_b_id               uuid                    NOT NULL REFERENCES users ON DELETE CASCADE,
  status                  omniscient_match_status NOT NULL DEFAULT 'pending_analysis',
  opportunity_score       decimal(3,2)            CHECK (opportunity_score >= 0 AND opportunity_score <= 1),
  predicted_outcome       omniscient_outcome,
  analysis_summary        text,
  match_reasoning         text,
  scheduled_for           timestamptz,
  analyzed_at             timestamptz,
  created_at              timestamptz             DEFAULT now(),
  updated_at              timestamptz             DEFAULT now(),
  domain                  text                    NOT NULL REFERENCES tenants,
  score_parts             jsonb,
  predicted_probabilities jsonb,
  attempts                int                     NOT NULL DEFAULT 0 CHECK (attempts >= 0),
  cancel_reason           text,
  CHECK (user_a_id < user_b_id)
);
COMMENT ON COLUMN omniscient_matches.score_parts IS 'The parts of opportunity_score with their weights, and the model that gave them.';
COMMENT ON COLUMN omniscient_matches.attempts IS 'Conversations of this match that failed.';
-- An ended match stays as history: one live match per pair.
CREATE UNIQUE INDEX unique_user_pair ON omniscient_matches (user_a_id, user_b_id) WHERE status NOT IN ('completed', 'cancelled');
CREATE INDEX idx_omniscient_matches_status ON omniscient_matches (status);
CREATE INDEX idx_omniscient_matches_scheduled ON omniscient_matches (scheduled_for) WHERE status = 'scheduled';
CREATE INDEX idx_omniscient_matches_users ON omniscient_matches (user_a_id, user_b_id);
CREATE INDEX omniscient_matches_by_user_b ON omniscient_matches (user_b_id);
CREATE INDEX omniscient_matches_by_tenant ON omniscient_matches (domain, created_at DESC, id);

CREATE FUNCTION guard_omniscient_match_status() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (OLD.status::text, NEW.status::text) NOT IN (
    ('pending_analysis', 'analyzed'), ('pending_analysis', 'cancelled'),
    ('analyzed', 'scheduled'), ('analyzed', 'active'), ('analyzed', 'cancelled'),
    ('scheduled', 'active'), ('scheduled', 'analyzed'), ('scheduled', 'cancelled'),
    ('active', 'completed'), ('active', 'analyzed'), ('active', 'cancelled')) THEN
    RAISE EXCEPTION 'a match that is % cannot become %', OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'omniscient_match_transition';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER guard_omniscient_matches_status BEFORE UPDATE OF status ON omniscient_matches
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION guard_omniscient_match_status();
CREATE TRIGGER update_omniscient_matches_updated_at BEFORE UPDATE ON omniscient_matches
  FOR EACH ROW EXECUTE FUNCTION update_omniscient_updated_at();

CREATE TABLE omniscient_match_insights (
  id              uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
  match_id        uuid         NOT NULL REFERENCES omniscient_matches ON DELETE CASCADE,
  insight_id      uuid         NOT NULL REFERENCES omniscient_insights ON DELETE CASCADE,
  relevance_score decimal(3,2) DEFAULT 1.0 CHECK (relevance_score >= 0 AND relevance_score <= 1),
  created_at      timestamptz  DEFAULT now(),
  CONSTRAINT unique_match_insight UNIQUE (match_id, insight_id)
);
CREATE INDEX omniscient_match_insights_by_insight ON omniscient_match_insights (insight_id);

CREATE TABLE omniscient_insight_overrides (
  id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  match_id   uuid        NOT NULL REFERENCES omniscient_matches ON DELETE CASCADE,
  actor      uuid,
  before     jsonb       NOT NULL,
  after      jsonb       NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN omniscient_insight_overrides.actor IS 'The principal who did it.';
CREATE INDEX omniscient_insight_overrides_by_match ON omniscient_insight_overrides (match_id);

CREATE TABLE omniscient_processing_logs (
  id                 uuid          PRIMARY KEY DEFAULT gen_random_uuid(),
  process_type       text          NOT NULL,
  action             text          NOT NULL,
  status             text          NOT NULL DEFAULT 'started' CHECK (status IN ('started', 'completed', 'failed')),
  target_id          uuid,
  target_type        text,
  metadata           jsonb         DEFAULT '{}',
  error_message      text,
  processing_time_ms integer,
  tokens_used        integer,
  cost_usd           decimal(10,4),
  created_at         timestamptz   DEFAULT now(),
  completed_at       timestamptz,
  event_id           uuid          NOT NULL,
  domain             text          NOT NULL REFERENCES tenants,
  UNIQUE (event_id, process_type)
);
COMMENT ON TABLE omniscient_processing_logs IS 'One row per event and worker: started in a checkpoint, ended in the transaction of the effect or of the dead letter.';
COMMENT ON COLUMN omniscient_processing_logs.process_type IS 'The worker.';
COMMENT ON COLUMN omniscient_processing_logs.event_id IS 'The event''s key in the worker''s inbox.';
CREATE INDEX idx_omniscient_processing_logs_type ON omniscient_processing_logs (process_type, created_at DESC);
CREATE INDEX omniscient_processing_logs_by_tenant ON omniscient_processing_logs (domain, created_at DESC, id);

ALTER TABLE omniscient_insights ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_matches ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_match_insights ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_insight_overrides ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_processing_logs ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- The seed's policies, unchanged.
CREATE POLICY "Admins can view all omniscient data" ON omniscient_insights
  FOR ALL TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Admins can manage omniscient matches" ON omniscient_matches
  FOR ALL TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Admins can view match insights" ON omniscient_match_insights
  FOR ALL TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Admins can view processing logs" ON omniscient_processing_logs
  FOR SELECT TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Users can view their matches" ON omniscient_matches
  FOR SELECT TO authenticated
  USING (
    user_a_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid()) OR
    user_b_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
  );

CREATE POLICY "System can manage all omniscient data" ON omniscient_insights
  FOR ALL TO service_role
  USING (true);

CREATE POLICY "System can manage all matches" ON omniscient_matches
  FOR ALL TO service_role
  USING (true);

CREATE POLICY "System can manage match insights" ON omniscient_match_insights
  FOR ALL TO service_role
  USING (true);

CREATE POLICY "System can manage logs" ON omniscient_processing_logs
  FOR ALL TO service_role
  USING (true);

CREATE POLICY everything ON omniscient_insights TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_matches TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_processing_logs TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_match_insights TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_insight_overrides TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
-- Beside the seed's policies: staff by role; and whatever else allows a row, only the tenant's.
CREATE POLICY operator ON omniscient_insights FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_matches FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_processing_logs FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_match_insights FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_insight_overrides FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY own_tenant ON omniscient_insights AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON omniscient_matches AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON omniscient_processing_logs AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON omniscient_match_insights AS RESTRICTIVE TO authenticated
  USING (EXISTS (SELECT FROM omniscient_matches p WHERE p.id = match_id));
CREATE POLICY own_tenant ON omniscient_insight_overrides AS RESTRICTIVE TO authenticated
  USING (EXISTS (SELECT FROM omniscient_matches p WHERE p.id = match_id));
-- The person of a match sees what it rests on, except risks.
CREATE POLICY "Users can view their match insights" ON omniscient_match_insights FOR SELECT TO authenticated
  USING (EXISTS (SELECT FROM omniscient_matches m JOIN users u ON u.id IN (m.user_a_id, m.user_b_id)
                 WHERE m.id = match_id AND u.auth_user_id = auth.uid()));
CREATE POLICY "Users can view insights of their matches" ON omniscient_insights FOR SELECT TO authenticated
  USING (insight_type <> 'risk' AND EXISTS (SELECT FROM omniscient_match_insights i WHERE i.insight_id = omniscient_insights.id));
CREATE POLICY "System can manage insight overrides" ON omniscient_insight_overrides FOR ALL TO service_role USING (true);

GRANT SELECT ON omniscient_insights, omniscient_matches, omniscient_match_insights, omniscient_insight_overrides,
  omniscient_processing_logs TO authenticated, service_role, omnibus_readonly;
GRANT INSERT, UPDATE ON omniscient_insights, omniscient_matches, omniscient_match_insights TO omnibus_match, omnibus_replay;
GRANT DELETE ON omniscient_match_insights, omniscient_insights TO omnibus_match, omnibus_replay;
GRANT INSERT ON omniscient_insight_overrides TO omnibus_match, omnibus_replay;
GRANT INSERT, UPDATE ON omniscient_processing_logs TO service_role;

RESET ROLE;

-- migrate:down
DROP TABLE omniscient_processing_logs, omniscient_insight_overrides, omniscient_match_insights, omniscient_matches,
  omniscient_insights;
DROP FUNCTION guard_omniscient_match_status();
DROP FUNCTION update_omniscient_updated_at();
DROP TYPE omniscient_insight_type;
DROP TYPE omniscient_outcome;
DROP TYPE omniscient_match_status;
