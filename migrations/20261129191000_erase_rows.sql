-- What the gdpr worker may delete or blank of an erased person, and how it finds it.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE INDEX erasures_by_request ON pipeline.erasures (request_id);

-- A session keeps the calls that it belongs to; call_id is the last one.
ALTER TABLE omnichannel_sessions ADD COLUMN call_ids text[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN omnichannel_sessions.call_ids IS 'All calls of the session: by them call_summaries are erased.';
UPDATE omnichannel_sessions SET call_ids = ARRAY[call_id] WHERE call_id IS NOT NULL;
CREATE FUNCTION pipeline.note_call_of_session() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NOT NEW.call_id = ANY (NEW.call_ids) THEN
    NEW.call_ids := NEW.call_ids || NEW.call_id;
  END IF;
  RETURN NEW;
END
$$;
CREATE TRIGGER note_call BEFORE INSERT OR UPDATE OF call_id ON omnichannel_sessions
  FOR EACH ROW WHEN (NEW.call_id IS NOT NULL) EXECUTE FUNCTION pipeline.note_call_of_session();

-- An answer names the conversation that it was paid for: of events that wrote nothing yet it is the only trace.
CREATE INDEX llm_responses_by_conversation ON pipeline.llm_responses
  (COALESCE(response #>> '{call,conversation_id}', response #>> '{failures,0,conversation_id}'));

-- With the owner's rights: the gdpr worker takes letters of an erased person, and can redrive none.
CREATE FUNCTION pipeline.drop_letters(p_letter_ids uuid[], p_topic text, p_partitions int[], p_offsets bigint[], p_consumers text[])
RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH dropped AS (
    INSERT INTO pipeline.dead_letter_actions (letter_id, topic, partition, letter_offset, consumer, action, actor)
    SELECT l.id, p_topic, l.partition, l.letter_offset, l.consumer, 'dropped', 'worker:gdpr'
    FROM unnest(p_letter_ids, p_partitions, p_offsets, p_consumers) AS l (id, partition, letter_offset, consumer)
    ON CONFLICT DO NOTHING
    RETURNING 1
  )
  SELECT count(*) FROM dropped
$$;
COMMENT ON FUNCTION pipeline.drop_letters IS 'Takes these letters of a dead-letter topic as dropped; returns how many were open.';

-- The conversation's id follows from the session's: whoever writes again must not be refused for good. What the log holds
-- from before is refused by pipeline.erasures.
CREATE FUNCTION pipeline.forgive_conversations(p_request_id uuid) RETURNS void
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  DELETE FROM pipeline.forgotten f USING pipeline.erasures e
  WHERE e.request_id = p_request_id AND NOT e.for_good AND e.positions IS NOT NULL AND f.id = e.subject_key::uuid
$$;
COMMENT ON FUNCTION pipeline.forgive_conversations IS 'Lets conversations that may begin anew be stored again, once the erasure of this request refuses what stands before it.';

REVOKE EXECUTE ON FUNCTION pipeline.drop_letters(uuid[], text, int[], bigint[], text[]), pipeline.forgive_conversations(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.drop_letters(uuid[], text, int[], bigint[], text[]), pipeline.forgive_conversations(uuid) TO omnibus_gdpr;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'conversations', 'messages', 'profiles', 'omnichannel_sessions', 'message_delivery_log', 'call_summaries', 'chat_telemetry',
    'users', 'omniscient_matches', 'omniscient_conversations', 'omniscient_turns', 'omniscient_outcomes', 'omniscient_reports',
    'omniscient_report_outcomes', 'omniscient_report_unsubscriptions', 'omniscient_processing_logs', 'access_log',
    'pipeline.delivery'] LOOP
    EXECUTE format('CREATE POLICY erasure ON %s TO omnibus_gdpr USING (true) WITH CHECK (true)', name);
  END LOOP;
END
$$;
DROP POLICY privacy ON principals;
CREATE POLICY privacy ON principals TO omnibus_gdpr USING (true);

GRANT SELECT, DELETE ON conversations, messages, profiles, omnichannel_sessions, message_delivery_log, call_summaries, users,
  omniscient_matches, omniscient_turns TO omnibus_gdpr;
GRANT UPDATE (subject_key) ON conversations, profiles TO omnibus_gdpr;
GRANT SELECT (id, match_id) ON omniscient_conversations TO omnibus_gdpr;
GRANT SELECT (id, match_id) ON omniscient_outcomes TO omnibus_gdpr;
GRANT SELECT ON omniscient_report_outcomes, omniscient_report_unsubscriptions TO omnibus_gdpr;
GRANT SELECT (id, user_id, text), UPDATE (text, html) ON omniscient_reports TO omnibus_gdpr;
GRANT UPDATE (blocked_user_ids) ON users TO omnibus_gdpr;
GRANT SELECT (id, target_id), UPDATE (target_id, metadata) ON omniscient_processing_logs TO omnibus_gdpr;
GRANT SELECT (id, domain, object), UPDATE (object) ON access_log TO omnibus_gdpr;
GRANT SELECT (kind, role), DELETE ON principals TO omnibus_gdpr;
GRANT SELECT (domain, ts, call_id, conversation_id), UPDATE (conversation_id) ON chat_telemetry TO omnibus_gdpr;
GRANT SELECT, UPDATE (profile_id, session_id, provider_message_id, answer, reason, state, error_code, error_class) ON pipeline.delivery TO omnibus_gdpr;
GRANT SELECT, DELETE ON pipeline.delivery_receipt TO omnibus_gdpr;
GRANT SELECT, DELETE ON pipeline.llm_responses TO omnibus_gdpr;
GRANT INSERT ON suppressions TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE INSERT ON suppressions FROM omnibus_gdpr;
REVOKE ALL ON pipeline.llm_responses, pipeline.delivery_receipt, pipeline.delivery, chat_telemetry, access_log,
  omniscient_processing_logs, omniscient_reports, omniscient_report_unsubscriptions, omniscient_report_outcomes,
  omniscient_outcomes, omniscient_conversations, conversations, messages, profiles, omnichannel_sessions, message_delivery_log,
  call_summaries, users, omniscient_matches, omniscient_turns FROM omnibus_gdpr;
REVOKE SELECT (kind, role), DELETE ON principals FROM omnibus_gdpr;
DROP POLICY privacy ON principals;
CREATE POLICY privacy ON principals FOR SELECT TO omnibus_gdpr USING (true);
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY[
    'conversations', 'messages', 'profiles', 'omnichannel_sessions', 'message_delivery_log', 'call_summaries', 'chat_telemetry',
    'users', 'omniscient_matches', 'omniscient_conversations', 'omniscient_turns', 'omniscient_outcomes', 'omniscient_reports',
    'omniscient_report_outcomes', 'omniscient_report_unsubscriptions', 'omniscient_processing_logs', 'access_log',
    'pipeline.delivery'] LOOP
    EXECUTE format('DROP POLICY erasure ON %s', name);
  END LOOP;
END
$$;
DROP FUNCTION pipeline.forgive_conversations(uuid);
DROP FUNCTION pipeline.drop_letters(uuid[], text, int[], bigint[], text[]);
DROP INDEX pipeline.llm_responses_by_conversation;
DROP TRIGGER note_call ON omnichannel_sessions;
DROP FUNCTION pipeline.note_call_of_session();
ALTER TABLE omnichannel_sessions DROP COLUMN call_ids;
DROP INDEX pipeline.erasures_by_request;
RESET ROLE;
