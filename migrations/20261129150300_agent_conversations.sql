-- Conversations between the agents of two people, turn by turn, and what came of them.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE omniscient_conversations (
  id                   uuid               PRIMARY KEY DEFAULT gen_random_uuid(),
  match_id             uuid               NOT NULL REFERENCES omniscient_matches ON DELETE CASCADE,
  status               text               NOT NULL DEFAULT 'scheduled'
                                          CHECK (status IN ('scheduled', 'active', 'completed', 'failed')),
  actual_outcome       omniscient_outcome,
  outcome_match_score  decimal(3,2),
  quality_score        decimal(3,2)       CHECK (quality_score >= 0 AND quality_score <= 1),
  conversation_summary text,
  key_moments          jsonb              DEFAULT '[]',
  deviation_analysis   text,
  model_used           text,
  total_tokens         integer            NOT NULL DEFAULT 0,
  total_cost           decimal(10,4)      NOT NULL DEFAULT 0,
  started_at           timestamptz,
  completed_at         timestamptz,
  created_at           timestamptz        DEFAULT now(),
  updated_at           timestamptz        DEFAULT now(),
  domain               text               NOT NULL REFERENCES tenants,
  stop_reason          text,
  error                text
)
WITH (fillfactor = 80); -- every turn updates the row
CREATE INDEX idx_omniscient_conversations_match ON omniscient_conversations (match_id);
CREATE INDEX idx_omniscient_conversations_status ON omniscient_conversations (status);
CREATE INDEX omniscient_conversations_by_tenant ON omniscient_conversations (domain, created_at DESC, id);
CREATE UNIQUE INDEX omniscient_conversations_one_runs ON omniscient_conversations (match_id) WHERE status IN ('scheduled', 'active');

CREATE FUNCTION guard_omniscient_conversation_status() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF (OLD.status, NEW.status) NOT IN (('scheduled', 'active'), ('scheduled', 'failed'), ('active', 'completed'), ('active', 'failed')) THEN
    RAISE EXCEPTION 'a conversation that is % cannot become %', OLD.status, NEW.status
      USING ERRCODE = 'check_violation', CONSTRAINT = 'omniscient_conversation_transition';
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER guard_omniscient_conversations_status BEFORE UPDATE OF status ON omniscient_conversations
  FOR EACH ROW WHEN (OLD.status IS DISTINCT FROM NEW.status) EXECUTE FUNCTION guard_omniscient_conversation_status();
CREATE TRIGGER update_omniscient_conversations_updated_at BEFORE UPDATE ON omniscient_conversations
  FOR EACH ROW EXECUTE FUNCTION update_omniscient_updated_at();

CREATE TABLE omniscient_turns (
  id                          uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
  conversation_id             uuid         NOT NULL REFERENCES omniscient_conversations ON DELETE CASCADE,
  turn_number                 integer      NOT NULL CHECK (turn_number >= 1),
  speaker_user_id             uuid         NOT NULL REFERENCES users ON DELETE CASCADE,
  speaker_role                text         NOT NULL CHECK (speaker_role IN ('agent_a', 'agent_b')),
  message                     text         NOT NULL CHECK (message <> ''),
  guided_by_insights          uuid[],
  opportunity_alignment_score decimal(3,2) CHECK (opportunity_alignment_score >= 0 AND opportunity_alignment_score <= 1),
  prompt_tokens               integer      NOT NULL DEFAULT 0,
  completion_tokens           integer      NOT NULL DEFAULT 0,
  response_time_ms            integer,
  created_at                  timestamptz  DEFAULT now(),
  wants_to_end                boolean      NOT NULL DEFAULT false,
  CONSTRAINT unique_conversation_turn UNIQUE (conversation_id, turn_number)
);
COMMENT ON COLUMN omniscient_turns.wants_to_end IS 'The field `end` of the turn''s answer: true in two turns in a row ends the conversation.';
CREATE INDEX idx_omniscient_turns_conversation ON omniscient_turns (conversation_id);
CREATE INDEX omniscient_turns_by_speaker ON omniscient_turns (speaker_user_id);

CREATE TABLE omniscient_outcomes (
  id                            uuid         PRIMARY KEY DEFAULT gen_random_uuid(),
  conversation_id               uuid         NOT NULL UNIQUE REFERENCES omniscient_conversations ON DELETE CASCADE,
  match_id                      uuid         NOT NULL REFERENCES omniscient_matches ON DELETE CASCADE,
  outcome_analysis              text         NOT NULL,
  collaboration_readiness_score decimal(3,2) CHECK (collaboration_readiness_score >= 0 AND collaboration_readiness_score <= 1),
  specific_next_steps           jsonb        DEFAULT '[]',
  follow_up_recommended         boolean      NOT NULL DEFAULT false,
  follow_up_timeframe           text,
  actual_collaboration_tracked  boolean      NOT NULL DEFAULT false,
  collaboration_details         jsonb,
  created_at                    timestamptz  DEFAULT now(),
  updated_at                    timestamptz  DEFAULT now(),
  domain                        text         NOT NULL REFERENCES tenants
);
CREATE INDEX idx_omniscient_outcomes_conversation ON omniscient_outcomes (conversation_id);
CREATE INDEX omniscient_outcomes_by_match ON omniscient_outcomes (match_id);
CREATE INDEX omniscient_outcomes_by_tenant ON omniscient_outcomes (domain, created_at DESC, id);
CREATE TRIGGER update_omniscient_outcomes_updated_at BEFORE UPDATE ON omniscient_outcomes
  FOR EACH ROW EXECUTE FUNCTION update_omniscient_updated_at();

CREATE TABLE omniscient_reports (
  id          uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain      text        NOT NULL REFERENCES tenants,
  user_id     uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
  report_date date        NOT NULL,
  text        text        NOT NULL,
  html        text        NOT NULL,
  sent_at     timestamptz,
  rating      smallint    CHECK (rating BETWEEN 1 AND 5),
  claimed_at  timestamptz,
  message_id  text,
  send_state  text        CHECK (send_state IN ('claimed', 'sent', 'in_doubt', 'refused', 'failed')),
  created_at  timestamptz NOT NULL DEFAULT now(),
  UNIQUE (user_id, report_date)
);
COMMENT ON COLUMN omniscient_reports.report_date IS 'In the person''s own time.';

CREATE TABLE omniscient_report_outcomes (
  user_id    uuid NOT NULL REFERENCES users ON DELETE CASCADE,
  outcome_id uuid NOT NULL REFERENCES omniscient_outcomes ON DELETE CASCADE,
  report_id  uuid NOT NULL REFERENCES omniscient_reports ON DELETE CASCADE,
  PRIMARY KEY (user_id, outcome_id)
);
COMMENT ON TABLE omniscient_report_outcomes IS 'Each outcome is in exactly one report of each of its two people.';
CREATE INDEX omniscient_report_outcomes_by_report ON omniscient_report_outcomes (report_id);
CREATE INDEX omniscient_report_outcomes_by_outcome ON omniscient_report_outcomes (outcome_id);

ALTER TABLE omniscient_conversations ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_turns ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_outcomes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_reports ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE omniscient_report_outcomes ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;

-- The seed's policies, unchanged.
CREATE POLICY "Admins can manage omniscient conversations" ON omniscient_conversations
  FOR ALL TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Admins can view conversation turns" ON omniscient_turns
  FOR ALL TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Admins can manage outcomes" ON omniscient_outcomes
  FOR ALL TO authenticated
  USING (EXISTS (
    SELECT 1 FROM users
    WHERE users.auth_user_id = auth.uid()
    AND users.role = 'admin'
  ));

CREATE POLICY "Users can view their conversations" ON omniscient_conversations
  FOR SELECT TO authenticated
  USING (
    match_id IN (
      SELECT id FROM omniscient_matches
      WHERE user_a_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
      OR user_b_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
    )
  );

CREATE POLICY "Users can view their conversation turns" ON omniscient_turns
  FOR SELECT TO authenticated
  USING (
    conversation_id IN (
      SELECT oc.id FROM omniscient_conversations oc
      JOIN omniscient_matches om ON oc.match_id = om.id
      WHERE om.user_a_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
      OR om.user_b_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
    )
  );

CREATE POLICY "Users can view their outcomes" ON omniscient_outcomes
  FOR SELECT TO authenticated
  USING (
    match_id IN (
      SELECT id FROM omniscient_matches
      WHERE user_a_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
      OR user_b_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid())
    )
  );

CREATE POLICY "System can manage conversations" ON omniscient_conversations
  FOR ALL TO service_role
  USING (true);

CREATE POLICY "System can manage turns" ON omniscient_turns
  FOR ALL TO service_role
  USING (true);

CREATE POLICY "System can manage outcomes" ON omniscient_outcomes
  FOR ALL TO service_role
  USING (true);

CREATE POLICY everything ON omniscient_conversations TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_outcomes TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_reports TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_turns TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
CREATE POLICY everything ON omniscient_report_outcomes TO omnibus_owner, omnibus_readonly USING (true) WITH CHECK (true);
-- Beside the seed's policies: staff by role; and whatever else allows a row, only the tenant's.
CREATE POLICY operator ON omniscient_conversations FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_outcomes FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_reports FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_turns FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY operator ON omniscient_report_outcomes FOR SELECT TO authenticated
  USING (current_setting('app.role', true) IN ('operator', 'admin'));
CREATE POLICY own_tenant ON omniscient_conversations AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON omniscient_outcomes AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON omniscient_reports AS RESTRICTIVE TO authenticated
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON omniscient_turns AS RESTRICTIVE TO authenticated
  USING (EXISTS (SELECT FROM omniscient_conversations p WHERE p.id = conversation_id));
CREATE POLICY own_tenant ON omniscient_report_outcomes AS RESTRICTIVE TO authenticated
  USING (EXISTS (SELECT FROM omniscient_reports p WHERE p.id = report_id));
CREATE POLICY "Users can view their reports" ON omniscient_reports FOR SELECT TO authenticated
  USING (user_id IN (SELECT id FROM users WHERE auth_user_id = auth.uid()));
CREATE POLICY "System can manage reports" ON omniscient_reports FOR ALL TO service_role USING (true);
CREATE POLICY "System can manage report outcomes" ON omniscient_report_outcomes FOR ALL TO service_role USING (true);

GRANT SELECT ON omniscient_conversations, omniscient_turns, omniscient_outcomes, omniscient_reports,
  omniscient_report_outcomes TO authenticated, service_role, omnibus_readonly;
GRANT INSERT, UPDATE ON omniscient_conversations TO omnibus_conversation, omnibus_replay;
GRANT INSERT ON omniscient_turns TO omnibus_conversation, omnibus_replay;
GRANT UPDATE (actual_outcome, outcome_match_score, quality_score, conversation_summary, key_moments, deviation_analysis)
  ON omniscient_conversations TO omnibus_outcome;
GRANT INSERT, UPDATE ON omniscient_outcomes TO omnibus_outcome, omnibus_replay;
GRANT INSERT, UPDATE ON omniscient_reports TO omnibus_report, omnibus_replay;
GRANT INSERT ON omniscient_report_outcomes TO omnibus_report, omnibus_replay;

RESET ROLE;

-- migrate:down
DROP TABLE omniscient_report_outcomes, omniscient_reports, omniscient_outcomes, omniscient_turns, omniscient_conversations;
DROP FUNCTION guard_omniscient_conversation_status();
