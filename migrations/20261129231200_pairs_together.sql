-- Matches are opened and their analyses stored many at a time.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Each statement sees what the ones before it had to wait for.
CREATE FUNCTION open_matches(p_ids uuid[], p_domains text[], p_user_a_ids uuid[], p_user_b_ids uuid[], p_batch_ids uuid[],
                             p_ended bigint[])
RETURNS TABLE (ordinal bigint, id uuid, status text)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$ -- planned once, for tables that grow
#variable_conflict use_column
BEGIN
  PERFORM FROM users u WHERE u.id = ANY (p_user_a_ids || p_user_b_ids) ORDER BY u.id FOR KEY SHARE;
  INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, batch_id)
  SELECT a.id, a.domain, a.user_a_id, a.user_b_id, a.batch_id
  FROM unnest(p_ids, p_domains, p_user_a_ids, p_user_b_ids, p_batch_ids, p_ended)
    AS a (id, domain, user_a_id, user_b_id, batch_id, ended)
  WHERE EXISTS (SELECT FROM users u WHERE u.id = a.user_a_id) AND EXISTS (SELECT FROM users u WHERE u.id = a.user_b_id)
    AND (SELECT count(*) FROM omniscient_matches m WHERE m.user_a_id = a.user_a_id AND m.user_b_id = a.user_b_id) = a.ended
  ORDER BY a.user_a_id, a.user_b_id
  ON CONFLICT (user_a_id, user_b_id) WHERE status NOT IN ('completed', 'cancelled') DO NOTHING;
  RETURN QUERY
  SELECT a.ordinal, m.id, m.status::text
  FROM unnest(p_user_a_ids, p_user_b_ids) WITH ORDINALITY AS a (user_a_id, user_b_id, ordinal)
  LEFT JOIN LATERAL (
    SELECT l.id, l.status FROM omniscient_matches l
    WHERE l.user_a_id = a.user_a_id AND l.user_b_id = a.user_b_id AND l.status NOT IN ('completed', 'cancelled')
    LIMIT 1) AS m ON true;
END
$$;
COMMENT ON FUNCTION open_matches IS 'The live match of each pair, or a new one that waits for its analysis: of this id, if both people are there and exactly p_ended matches of theirs have ended and none is live. No match otherwise.';

CREATE FUNCTION store_analyses(p_match_ids uuid[], p_scores numeric[], p_parts text[], p_probabilities text[], p_outcomes text[],
                               p_summaries text[], p_reasonings text[], p_insights text[], p_schedules boolean[])
RETURNS TABLE (ordinal bigint, stored text, scheduled_ms bigint, zone_vanished boolean)
LANGUAGE plpgsql VOLATILE SET enable_seqscan = off SET plan_cache_mode = force_generic_plan AS $$ -- planned once, for tables that grow
#variable_conflict use_column
DECLARE
  v_stored text[];
  v_stored_ids uuid[];
BEGIN
  PERFORM FROM users u
  WHERE u.id IN (SELECT unnest(ARRAY[m.user_a_id, m.user_b_id]) FROM omniscient_matches m WHERE m.id = ANY (p_match_ids))
  ORDER BY u.id FOR KEY SHARE;
  PERFORM FROM omniscient_matches m WHERE m.id = ANY (p_match_ids) ORDER BY m.id FOR NO KEY UPDATE;

  WITH judged AS (
    SELECT a.ordinal, a.match_id, CASE
      WHEN m.status IS NULL OR m.status NOT IN ('pending_analysis', 'analyzed')
        OR row_number() OVER (PARTITION BY a.match_id ORDER BY a.ordinal) > 1 THEN 'moved_on'
      WHEN NOT omniscient_may_meet(m.user_a_id, m.user_b_id) THEN 'withdrawn'
      ELSE 'stored' END AS stored
    FROM unnest(p_match_ids) WITH ORDINALITY AS a (match_id, ordinal)
    LEFT JOIN LATERAL (
      SELECT status, user_a_id, user_b_id FROM omniscient_matches WHERE id = a.match_id LIMIT 1) AS m ON true
  )
  SELECT array_agg(j.stored ORDER BY j.ordinal), array_agg(j.match_id) FILTER (WHERE j.stored = 'stored')
  INTO v_stored, v_stored_ids FROM judged j;

  IF 'withdrawn' = ANY (v_stored) THEN
    UPDATE omniscient_matches m SET status = 'cancelled', cancel_reason = 'withdrawn'
    FROM unnest(p_match_ids, v_stored) AS a (match_id, stored) WHERE m.id = a.match_id AND a.stored = 'withdrawn';
  END IF;

  DELETE FROM omniscient_insights i
  WHERE i.id IN (SELECT j.insight_id FROM omniscient_match_insights j WHERE j.match_id = ANY (v_stored_ids));
  WITH given AS MATERIALIZED (
    SELECT a.match_id, i.*
    FROM unnest(p_match_ids, p_insights, v_stored) AS a (match_id, insights, stored)
    CROSS JOIN LATERAL jsonb_to_recordset(a.insights::jsonb)
      AS i (insight_id uuid, insight_type text, title text, description text, relevance_score numeric, score numeric)
    WHERE a.stored = 'stored'
  ), insights AS (
    INSERT INTO omniscient_insights (id, insight_type, title, description, score, domain, user_a_id, user_b_id)
    SELECT g.insight_id, g.insight_type::omniscient_insight_type, g.title, g.description, g.score, m.domain, m.user_a_id, m.user_b_id
    FROM given g CROSS JOIN LATERAL (
      SELECT domain, user_a_id, user_b_id FROM omniscient_matches WHERE id = g.match_id LIMIT 1) AS m
  )
  INSERT INTO omniscient_match_insights (match_id, insight_id, relevance_score)
  SELECT g.match_id, g.insight_id, g.relevance_score FROM given g;

  UPDATE omniscient_matches m
  SET status = 'analyzed', opportunity_score = a.score, score_parts = a.parts::jsonb,
      predicted_probabilities = a.probabilities::jsonb, predicted_outcome = a.outcome::omniscient_outcome,
      analysis_summary = a.summary, match_reasoning = a.reasoning, analyzed_at = now()
  FROM unnest(p_match_ids, v_stored, p_scores, p_parts, p_probabilities, p_outcomes, p_summaries, p_reasonings)
    AS a (match_id, stored, score, parts, probabilities, outcome, summary, reasoning)
  WHERE m.id = a.match_id AND a.stored = 'stored';

  RETURN QUERY
  WITH scheduled AS (
    UPDATE omniscient_matches m
    SET status = 'scheduled', scheduled_for = omniscient_next_midnight(one.timezone, two.timezone, now())
    FROM unnest(p_match_ids, v_stored, p_schedules) AS a (match_id, stored, schedule), users one, users two
    WHERE m.id = a.match_id AND a.stored = 'stored' AND a.schedule AND one.id = m.user_a_id AND two.id = m.user_b_id
    RETURNING m.id, (extract(epoch FROM m.scheduled_for) * 1000)::bigint AS scheduled_ms,
      omniscient_zone(one.timezone) <> one.timezone OR omniscient_zone(two.timezone) <> two.timezone AS zone_vanished
  )
  SELECT a.ordinal, a.stored, s.scheduled_ms, COALESCE(s.zone_vanished, false)
  FROM unnest(p_match_ids, v_stored) WITH ORDINALITY AS a (match_id, stored, ordinal)
  LEFT JOIN scheduled s ON s.id = a.match_id AND a.stored = 'stored';
END
$$;
COMMENT ON FUNCTION store_analyses IS 'Stores analyses of matches and replaces their insights, and schedules for the later of both people''s next midnights where p_schedules says so. stored: withdrawn if the two may not meet any more, then the match is cancelled; moved_on if it waits for no analysis.';

REVOKE EXECUTE ON FUNCTION open_matches, store_analyses FROM PUBLIC;
GRANT EXECUTE ON FUNCTION open_matches, store_analyses TO omnibus_match, omnibus_replay;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION store_analyses;
DROP FUNCTION open_matches;
RESET ROLE;
