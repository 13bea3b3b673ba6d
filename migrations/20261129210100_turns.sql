-- Chat turns are opened and stored many at a time, and the outcome of each is kept for replays.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- The default is for workers of before, which delete what a person was not given.
ALTER TABLE pipeline.llm_responses
  ALTER COLUMN model DROP NOT NULL, ALTER COLUMN response DROP NOT NULL,
  ADD COLUMN outcome text DEFAULT 'answered' CHECK (outcome IN ('answered', 'suppressed', 'fallback', 'parked'));
COMMENT ON COLUMN pipeline.llm_responses.response IS 'Absent when no model answered.';
COMMENT ON COLUMN pipeline.llm_responses.outcome IS 'What became of a chat turn, which a replay follows; NULL while it has not ended.';
GRANT UPDATE (outcome, model, response) ON pipeline.llm_responses TO omnibus_chat;

-- Two statements: the second sees what was committed while the first waited for a conversation's lock.
CREATE FUNCTION store_turns(p_event_ids uuid[], p_conversation_ids uuid[], p_domains text[], p_session_ids text[], p_texts text[],
                            p_received_ms bigint[], p_takeover_epochs int[], p_outcomes text[], p_answer_ids uuid[],
                            p_answers text[], p_models text[], p_responses text[], p_again boolean DEFAULT false)
RETURNS TABLE (ordinal bigint, outcome text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_outcomes text[];
BEGIN
  -- Turns, take-overs and closings of one conversation are one after the other: this locks its row.
  WITH asked AS (
    SELECT a.*, greatest(least(to_timestamp(a.received_ms::float8 / 1000), clock_timestamp()), now() - interval '30 days') AS received
    FROM unnest(p_conversation_ids, p_domains, p_session_ids, p_received_ms, p_takeover_epochs, p_outcomes) WITH ORDINALITY
      AS a (conversation_id, domain, session_id, received_ms, takeover_epoch, outcome, ordinal)
  ), locked AS (
    INSERT INTO conversations AS c (id, domain, session_id, created_at, last_message_at)
    SELECT a.conversation_id, min(a.domain), min(a.session_id), min(a.received), max(a.received) FROM asked a
    GROUP BY a.conversation_id ORDER BY a.conversation_id
    ON CONFLICT (id) DO UPDATE
    SET last_message_at = greatest(c.last_message_at, excluded.last_message_at), updated_at = now()
    RETURNING c.id, c.domain, c.session_id, c.takeover_epoch, c.owner_id IS NOT NULL AS with_person
  )
  SELECT array_agg(CASE WHEN a.outcome = 'answered' AND NOT p_again AND (l.with_person OR l.takeover_epoch <> a.takeover_epoch)
                   THEN 'suppressed' ELSE a.outcome END ORDER BY a.ordinal)
  INTO v_outcomes FROM asked a JOIN locked l ON (l.id, l.domain, l.session_id) = (a.conversation_id, a.domain, a.session_id);
  -- Two events of one new conversation were opened before either of them was stored.
  IF cardinality(v_outcomes) IS DISTINCT FROM cardinality(p_event_ids) THEN
    RAISE EXCEPTION 'conversation_id belongs to another session' USING ERRCODE = 'integrity_constraint_violation';
  END IF;

  IF NOT p_again THEN
    INSERT INTO pipeline.llm_responses AS r (request_key, event_id, model, response, outcome)
    SELECT a.event_id, a.event_id, a.model, a.response::jsonb, a.outcome
    FROM unnest(p_event_ids, p_models, p_responses, v_outcomes) AS a (event_id, model, response, outcome)
    ORDER BY a.event_id
    ON CONFLICT (request_key) DO UPDATE -- what was answered counts, and not what a former owner of the partition kept
    SET outcome = excluded.outcome, model = COALESCE(excluded.model, r.model), response = COALESCE(excluded.response, r.response);
  END IF;

  -- A turn depends only on its event and on what was recorded for it, ids and times included: when a replay stores it
  -- again, it is the same as before. A message is stored already if a replay came first.
  WITH asked AS (
    SELECT a.*, (SELECT m.seq FROM messages m WHERE m.id = a.event_id) AS stored
    FROM unnest(p_event_ids, p_conversation_ids, p_texts, p_received_ms, v_outcomes, p_answer_ids,
                                            p_answers, p_responses) WITH ORDINALITY
      AS a (event_id, conversation_id, content, received_ms, outcome, answer_id, answer, response, ordinal)
  ), numbered AS (
    SELECT a.*, COALESCE(a.stored,
             COALESCE((SELECT max(m.seq) FROM messages m WHERE m.conversation_id = a.conversation_id), 0) + 1
             + COALESCE(sum(CASE WHEN a.stored IS NOT NULL THEN 0 WHEN a.outcome = 'answered' THEN 2 ELSE 1 END)
                        OVER (PARTITION BY a.conversation_id ORDER BY a.ordinal
                              ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0)) AS seq
    FROM asked a
  )
  INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id, in_reply_to, created_at)
  SELECT n.event_id, n.conversation_id, n.seq, 'user', n.content, n.event_id, NULL::uuid,
         greatest(least(to_timestamp(n.received_ms::float8 / 1000), clock_timestamp()), now() - interval '30 days')
  FROM numbered n WHERE n.stored IS NULL
  UNION ALL
  SELECT n.answer_id, n.conversation_id, n.seq + 1, 'assistant', n.answer, NULL, n.event_id,
         CASE WHEN n.response IS NULL
         THEN COALESCE((SELECT r.created_at FROM pipeline.llm_responses r WHERE r.request_key = n.event_id), now())
         ELSE now() END
  FROM numbered n WHERE n.outcome = 'answered'
  ON CONFLICT (id) DO NOTHING;

  RETURN QUERY SELECT o.ordinal, o.outcome FROM unnest(v_outcomes) WITH ORDINALITY AS o (outcome, ordinal);
END
$$;
COMMENT ON FUNCTION store_turns IS 'Stores visitors'' messages, their answers and outcomes: answered, suppressed or fallback. What was to be answered is suppressed if a person has taken the conversation over since its epoch. p_responses are answers as they were paid for, unless recorded before; p_again: in a replay, which follows the outcomes and records nothing.';
REVOKE EXECUTE ON FUNCTION store_turns FROM PUBLIC;
GRANT EXECUTE ON FUNCTION store_turns TO omnibus_chat, omnibus_replay;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION store_turns;
DELETE FROM pipeline.llm_responses WHERE response IS NULL OR outcome <> 'answered';
REVOKE UPDATE (outcome, model, response) ON pipeline.llm_responses FROM omnibus_chat;
ALTER TABLE pipeline.llm_responses DROP COLUMN outcome, ALTER COLUMN model SET NOT NULL, ALTER COLUMN response SET NOT NULL;
RESET ROLE;
