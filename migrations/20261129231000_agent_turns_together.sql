-- Conversations of agents begin, and their turns are stored, many at a time.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION begin_agent_conversations(p_conversation_ids uuid[], p_match_ids uuid[], p_domains text[])
RETURNS TABLE (ordinal bigint, beginning text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$ -- planned once, for tables that grow
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH asked AS (
    SELECT a.*, row_number() OVER (PARTITION BY a.conversation_id ORDER BY a.ordinal) AS turn_of_id,
           (SELECT t.status FROM tenants t WHERE t.domain = a.domain) AS tenant_status,
           (SELECT f.id FROM pipeline.forgotten f WHERE f.id = a.conversation_id) IS NOT NULL
             OR (SELECT f.id FROM pipeline.forgotten f WHERE f.id = a.match_id) IS NOT NULL AS erased,
           (SELECT m.status FROM omniscient_matches m WHERE m.id = a.match_id AND m.domain = a.domain) AS match_status
    FROM unnest(p_conversation_ids, p_match_ids, p_domains) WITH ORDINALITY AS a (conversation_id, match_id, domain, ordinal)
  ), judged AS (
    SELECT a.*, CASE
      WHEN a.tenant_status IS NULL THEN 'unknown_tenant'
      WHEN a.erased THEN 'erased'
      WHEN a.match_status IS NULL THEN 'unknown_match'
      WHEN a.tenant_status <> 'active' THEN 'inactive_tenant'
      -- A match's earlier conversations may have failed.
      WHEN a.match_status <> 'active' OR a.turn_of_id > 1 OR EXISTS (
        SELECT FROM omniscient_conversations c WHERE c.match_id = a.match_id AND c.status <> 'failed') THEN 'not_open'
      END AS obstacle
    FROM asked a
  ), made AS (
    INSERT INTO omniscient_conversations AS c (id, match_id, domain, status, started_at)
    SELECT j.conversation_id, j.match_id, j.domain, 'active', clock_timestamp() FROM judged j
    WHERE j.obstacle IS NULL ORDER BY j.match_id
    ON CONFLICT (id) DO NOTHING
    RETURNING c.id
  )
  SELECT j.ordinal, COALESCE(j.obstacle, CASE WHEN m.id IS NULL THEN 'not_open' ELSE 'begun' END)
  FROM judged j LEFT JOIN made m ON m.id = j.conversation_id;
END
$$;
COMMENT ON FUNCTION begin_agent_conversations IS 'Makes the rows of conversations that begin, and says of each what became of it: begun, or why not.';

-- Two statements: the second sees what was committed while the first waited for a conversation's lock.
CREATE FUNCTION store_agent_turns(p_conversation_ids uuid[], p_turn_numbers int[], p_event_ids uuid[], p_turn_ids uuid[],
                                  p_speaker_ids uuid[], p_speaker_roles text[], p_messages text[], p_wants_to_end boolean[],
                                  p_guided text[], p_advanced text[], p_alignments numeric[], p_prompt_tokens int[],
                                  p_completion_tokens int[], p_response_times int[], p_costs numeric[], p_models text[])
RETURNS TABLE (ordinal bigint, storage text, messages text[], wants_to_end boolean[])
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$ -- planned once, for tables that grow
#variable_conflict use_column
BEGIN
  PERFORM FROM omniscient_conversations c WHERE c.id = ANY (p_conversation_ids) ORDER BY c.id FOR NO KEY UPDATE;
  RETURN QUERY
  WITH asked AS MATERIALIZED (
    SELECT a.*, c.status, said.messages, said.wants_to_end AS wanted, COALESCE(cardinality(said.messages), 0) AS turns,
           row_number() OVER (PARTITION BY a.conversation_id ORDER BY a.ordinal) AS turn_of_id
    FROM unnest(p_conversation_ids, p_turn_numbers, p_event_ids, p_turn_ids, p_speaker_ids, p_speaker_roles, p_messages,
                p_wants_to_end, p_guided, p_advanced, p_alignments, p_prompt_tokens, p_completion_tokens, p_response_times,
                p_costs, p_models) WITH ORDINALITY
      AS a (conversation_id, turn_number, event_id, turn_id, speaker_id, speaker_role, message, wants_to_end, guided, advanced,
            alignment, prompt_tokens, completion_tokens, response_time, cost, model, ordinal)
    LEFT JOIN LATERAL (SELECT status FROM omniscient_conversations WHERE id = a.conversation_id LIMIT 1) AS c ON true
    LEFT JOIN LATERAL (
      SELECT array_agg(t.message ORDER BY t.turn_number) AS messages,
             array_agg(t.wants_to_end ORDER BY t.turn_number) AS wants_to_end
      FROM omniscient_turns t WHERE t.conversation_id = a.conversation_id) AS said ON true
  ), next AS (
    SELECT * FROM asked a WHERE a.status = 'active' AND a.turns + 1 = a.turn_number AND a.turn_of_id = 1
  -- A turn depends only on its event and on what was recorded for it, id and time included: when a replay stores it
  -- again, it is the same as before.
  ), stored AS (
    INSERT INTO omniscient_turns (id, conversation_id, turn_number, speaker_user_id, speaker_role, message,
      guided_by_insights, advanced_insights, opportunity_alignment_score, wants_to_end, prompt_tokens, completion_tokens,
      response_time_ms, created_at)
    SELECT n.turn_id, n.conversation_id, n.turn_number, n.speaker_id, n.speaker_role, n.message, n.guided::uuid[],
           n.advanced::uuid[], n.alignment, n.wants_to_end, n.prompt_tokens, n.completion_tokens, n.response_time,
           COALESCE((SELECT max(r.created_at) FROM pipeline.llm_responses r WHERE r.event_id = n.event_id), clock_timestamp())
    FROM next n WHERE n.message IS NOT NULL ORDER BY n.conversation_id
  ), totals AS (
    UPDATE omniscient_conversations c
    SET total_tokens = c.total_tokens + n.prompt_tokens + n.completion_tokens, spent_usd = c.spent_usd + n.cost,
        total_cost = round(c.spent_usd + n.cost, 4), model_used = COALESCE(n.model, c.model_used)
    FROM next n WHERE c.id = n.conversation_id
  )
  SELECT a.ordinal, CASE
    WHEN n.ordinal IS NOT NULL THEN 'stored'
    WHEN a.status IS NULL AND (SELECT f.id FROM pipeline.forgotten f WHERE f.id = a.conversation_id) IS NOT NULL THEN 'erased'
    ELSE 'not_next' END, COALESCE(a.messages, '{}'), COALESCE(a.wanted, '{}')
  FROM asked a LEFT JOIN next n ON n.ordinal = a.ordinal;
END
$$;
COMMENT ON FUNCTION store_agent_turns IS 'Stores turns of conversations that run, each if it is the next one, and adds to the totals. Without a message there is no turn, only what was spent. Locks the conversations until the end of the transaction. storage: stored, erased if the conversation was deleted, else not_next; messages and wants_to_end are of the turns before it.';

-- Its rows are found by keys: no plan for one pair is better than the one for all.
ALTER FUNCTION omniscient_may_meet(uuid, uuid) SET plan_cache_mode = force_generic_plan;

REVOKE EXECUTE ON FUNCTION begin_agent_conversations, store_agent_turns FROM PUBLIC;
GRANT EXECUTE ON FUNCTION begin_agent_conversations TO omnibus_conversation;
GRANT UPDATE (model, response) ON pipeline.llm_responses TO omnibus_conversation, omnibus_match;
GRANT EXECUTE ON FUNCTION store_agent_turns TO omnibus_conversation, omnibus_replay;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE UPDATE (model, response) ON pipeline.llm_responses FROM omnibus_conversation, omnibus_match;
ALTER FUNCTION omniscient_may_meet(uuid, uuid) RESET plan_cache_mode;
DROP FUNCTION store_agent_turns;
DROP FUNCTION begin_agent_conversations;
RESET ROLE;
