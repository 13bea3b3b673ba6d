-- How well outcomes were predicted, what matches led to, and the conditions of alerts: measured in SQL, so that the
-- gateway and the tool show the same numbers. Every function reads with the rights of its caller.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- What calibration needs of an outcome, in the outcome's own row: a measure over 100,000 outcomes then reads one index.
ALTER TABLE omniscient_outcomes
  ADD predicted_outcome  omniscient_outcome,
  ADD actual_outcome     omniscient_outcome,
  ADD prediction_error   double precision,
  ADD predicted_positive integer;
COMMENT ON COLUMN omniscient_outcomes.predicted_outcome IS 'Copied from the match; a trigger fills this column and the next three.';
COMMENT ON COLUMN omniscient_outcomes.actual_outcome IS 'Copied from the conversation.';
COMMENT ON COLUMN omniscient_outcomes.prediction_error IS 'The Brier score of this outcome: half the sum of (p - o) squared over the four outcomes, 0 to 1.';
COMMENT ON COLUMN omniscient_outcomes.predicted_positive IS 'The probability of STRONG_MATCH or EXPLORATORY in millionths.';

CREATE FUNCTION fill_omniscient_outcome() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  p       jsonb;
  strong  numeric;
  explore numeric;
  future  numeric;
  nothing numeric;
BEGIN
  SELECT c.actual_outcome INTO NEW.actual_outcome FROM omniscient_conversations c WHERE c.id = NEW.conversation_id;
  SELECT m.predicted_outcome, m.predicted_probabilities INTO NEW.predicted_outcome, p
  FROM omniscient_matches m WHERE m.id = NEW.match_id;
  strong := (p ->> 'STRONG_MATCH')::numeric;
  explore := (p ->> 'EXPLORATORY')::numeric;
  future := (p ->> 'FUTURE_POTENTIAL')::numeric;
  nothing := (p ->> 'NO_MATCH')::numeric;
  NEW.predicted_positive := 1000000 * round(strong + explore, 6);
  strong := strong - (NEW.actual_outcome = 'STRONG_MATCH')::int;
  explore := explore - (NEW.actual_outcome = 'EXPLORATORY')::int;
  future := future - (NEW.actual_outcome = 'FUTURE_POTENTIAL')::int;
  nothing := nothing - (NEW.actual_outcome = 'NO_MATCH')::int;
  NEW.prediction_error := (strong * strong + explore * explore + future * future + nothing * nothing) / 2;
  RETURN NEW;
END
$$;
CREATE TRIGGER fill_omniscient_outcomes BEFORE INSERT OR UPDATE OF actual_outcome ON omniscient_outcomes
  FOR EACH ROW EXECUTE FUNCTION fill_omniscient_outcome();

CREATE FUNCTION refresh_omniscient_outcome() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  UPDATE omniscient_outcomes SET actual_outcome = NEW.actual_outcome WHERE conversation_id = NEW.id;
  RETURN NULL;
END
$$;
CREATE TRIGGER refresh_omniscient_outcomes AFTER UPDATE OF actual_outcome ON omniscient_conversations
  FOR EACH ROW WHEN (OLD.actual_outcome IS DISTINCT FROM NEW.actual_outcome) EXECUTE FUNCTION refresh_omniscient_outcome();

-- Whatever a measure or a policy asks of a row is in the index.
CREATE INDEX omniscient_outcomes_measured ON omniscient_outcomes (domain, created_at)
  INCLUDE (predicted_outcome, actual_outcome, prediction_error, predicted_positive, match_id);
CREATE INDEX omniscient_outcomes_converted ON omniscient_outcomes (domain) INCLUDE (conversation_id, match_id)
  WHERE follow_up_recommended OR actual_collaboration_tracked;
CREATE INDEX omniscient_matches_measured ON omniscient_matches (domain, created_at)
  INCLUDE (opportunity_score, status, user_a_id, user_b_id);
CREATE INDEX omniscient_matches_analyzed ON omniscient_matches (analyzed_at);
CREATE INDEX omniscient_conversations_measured ON omniscient_conversations (domain, completed_at)
  INCLUDE (id, match_id, actual_outcome) WHERE status = 'completed';
CREATE INDEX omniscient_conversations_failed ON omniscient_conversations (updated_at) WHERE status = 'failed';
CREATE INDEX omniscient_insights_measured ON omniscient_insights (domain, created_at) INCLUDE (insight_type, id);
CREATE INDEX omniscient_processing_logs_started ON omniscient_processing_logs (domain, created_at) WHERE status = 'started';
CREATE INDEX omniscient_processing_logs_ended ON omniscient_processing_logs ((COALESCE(completed_at, created_at)))
  WHERE status <> 'started';

-- The caller's role is the same for all rows: asked once, it costs a query over 100,000 rows nothing.
ALTER POLICY operator ON omniscient_insights USING ((SELECT current_setting('app.role', true) IN ('operator', 'admin')));
ALTER POLICY operator ON omniscient_matches USING ((SELECT current_setting('app.role', true) IN ('operator', 'admin')));
ALTER POLICY operator ON omniscient_processing_logs USING ((SELECT current_setting('app.role', true) IN ('operator', 'admin')));
ALTER POLICY operator ON omniscient_conversations USING ((SELECT current_setting('app.role', true) IN ('operator', 'admin')));
ALTER POLICY operator ON omniscient_outcomes USING ((SELECT current_setting('app.role', true) IN ('operator', 'admin')));

-- How well outcomes were predicted, of the outcomes scored from p_from until before p_to; a bound that is NULL is open,
-- and without a domain it is every tenant's that the caller may see.
--   n                outcomes whose match has a prediction
--   brier            the mean of prediction_error, 0 to 1; reference_brier: of the range's base rates as the prediction
--   skill            1 - brier / reference_brier; null when the reference is 0
--   labels           the outcomes, in the order of confusion's rows (predicted) and columns (actual)
--   accuracy, macro_f1 (over the classes predicted or seen), classes (precision without predictions and recall without
--                    occurrences are null, f1 is 0 where it is undefined)
--   reliability      always ten deciles of p = STRONG_MATCH or EXPLORATORY: from <= p < to, the last one also 1
--   ece              the mean of |mean_p - rate| over the deciles, weighted by n
-- Without outcomes every ratio is null. Rounded to six places.
CREATE FUNCTION omniscient_match_calibration(p_domain text, p_from timestamptz, p_to timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
  RETURN (
    WITH cell AS MATERIALIZED (
      SELECT predicted_outcome AS predicted, actual_outcome AS actual, LEAST(predicted_positive / 100000, 9) AS decile,
        count(*) AS n, sum(prediction_error) AS error, sum(predicted_positive) AS millionths
      FROM omniscient_outcomes
      WHERE (p_domain IS NULL OR domain = p_domain) AND (p_from IS NULL OR created_at >= p_from)
        AND (p_to IS NULL OR created_at < p_to)
        AND predicted_outcome IS NOT NULL AND actual_outcome IS NOT NULL AND prediction_error IS NOT NULL
      GROUP BY 1, 2, 3
    ), class AS (
      SELECT outcome, COALESCE(sum(n) FILTER (WHERE predicted = outcome), 0) AS predicted,
        COALESCE(sum(n) FILTER (WHERE actual = outcome), 0) AS actual,
        COALESCE(sum(n) FILTER (WHERE predicted = outcome AND actual = outcome), 0) AS hits
      FROM unnest(enum_range(NULL::omniscient_outcome)) AS outcome LEFT JOIN cell ON outcome IN (predicted, actual)
      GROUP BY outcome
    ), decile AS (
      SELECT k, COALESCE(sum(n), 0) AS n, sum(millionths) / 1000000.0 AS p,
        COALESCE(sum(n) FILTER (WHERE actual IN ('STRONG_MATCH', 'EXPLORATORY')), 0) AS positives
      FROM generate_series(0, 9) AS k LEFT JOIN cell ON decile = k
      GROUP BY k
    ), total AS (
      SELECT NULLIF(sum(actual), 0) AS n, sum(hits) AS hits,
        (SELECT sum(error)::numeric FROM cell) / NULLIF(sum(actual), 0) AS brier,
        (1 - sum(actual ^ 2) / NULLIF(sum(actual), 0) ^ 2) / 2 AS reference,
        avg(2.0 * hits / NULLIF(predicted + actual, 0)) AS macro_f1
      FROM class
    )
    SELECT jsonb_build_object(
      'n', COALESCE(n, 0), 'brier', round(brier, 6), 'reference_brier', round(reference, 6),
      'skill', round(1 - brier / NULLIF(reference, 0), 6), 'accuracy', round(hits / n, 6), 'macro_f1', round(macro_f1, 6),
      'labels', enum_range(NULL::omniscient_outcome),
      'confusion', (
        SELECT jsonb_agg(counts ORDER BY predicted_label) FROM (
          SELECT predicted_label, jsonb_agg(COALESCE((
            SELECT sum(c.n) FROM cell c WHERE c.predicted = predicted_label AND c.actual = actual_label), 0)
            ORDER BY actual_label) AS counts
          FROM unnest(enum_range(NULL::omniscient_outcome)) AS predicted_label,
            unnest(enum_range(NULL::omniscient_outcome)) AS actual_label
          GROUP BY predicted_label) AS matrix),
      'classes', (
        SELECT jsonb_agg(jsonb_build_object('outcome', outcome, 'predicted', predicted, 'actual', actual,
          'precision', round(hits / NULLIF(predicted, 0), 6), 'recall', round(hits / NULLIF(actual, 0), 6),
          'f1', round(COALESCE(2.0 * hits / NULLIF(predicted + actual, 0), 0), 6)) ORDER BY outcome) FROM class),
      'reliability', (
        SELECT jsonb_agg(jsonb_build_object('from', round(k / 10.0, 1), 'to', round((k + 1) / 10.0, 1), 'n', d.n,
          'mean_p', round(p / NULLIF(d.n, 0), 6), 'rate', round(positives / NULLIF(d.n, 0), 6)) ORDER BY k) FROM decile d),
      'ece', round((SELECT sum(abs(p - positives)) FROM decile) / n, 6))
    FROM total);
END
$$;

-- What matches led to: OmniscientAnalytics. A match and an insight count by their creation, a conversation by its end.
-- Open bounds and the domain are as in omniscient_match_calibration. An average of nothing is null; every outcome is
-- listed, of the types of insights those that occur. The policies' subqueries cost the same with every plan, and so much
-- that the planner does not see what an index saves: it is told.
CREATE FUNCTION omniscient_match_analytics(p_domain text, p_from timestamptz, p_to timestamptz) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off
SET enable_seqscan = off SET enable_sort = off AS $$
BEGIN
  RETURN (
    WITH matched AS (
      SELECT count(*) AS n, round(avg(opportunity_score), 4) AS score FROM omniscient_matches
      WHERE (p_domain IS NULL OR domain = p_domain) AND (p_from IS NULL OR created_at >= p_from)
        AND (p_to IS NULL OR created_at < p_to)
    ), held AS MATERIALIZED (
      SELECT actual_outcome AS outcome, count(*) AS n,
        count(*) FILTER (WHERE id IN (SELECT o.conversation_id FROM omniscient_outcomes o
          WHERE (p_domain IS NULL OR o.domain = p_domain)
            AND (o.follow_up_recommended OR o.actual_collaboration_tracked))) AS converted
      FROM omniscient_conversations
      WHERE status = 'completed' AND (p_domain IS NULL OR domain = p_domain) AND (p_from IS NULL OR completed_at >= p_from)
        AND (p_to IS NULL OR completed_at < p_to)
      GROUP BY 1
    ), insight AS (
      SELECT insight_type, count(*) AS n FROM omniscient_insights
      WHERE (p_domain IS NULL OR domain = p_domain) AND (p_from IS NULL OR created_at >= p_from)
        AND (p_to IS NULL OR created_at < p_to)
      GROUP BY 1
    )
    SELECT jsonb_build_object(
      'totalMatches', (SELECT n FROM matched), 'averageOpportunityScore', (SELECT score FROM matched),
      'conversionRate', (SELECT round(sum(converted) / NULLIF(sum(n), 0), 4) FROM held),
      'topInsightTypes', COALESCE((
        SELECT jsonb_agg(jsonb_build_object('type', insight_type, 'count', n) ORDER BY n DESC, insight_type) FROM insight), '[]'),
      'outcomeDistribution', (
        SELECT jsonb_agg(jsonb_build_object('outcome', label, 'count', COALESCE(n, 0)) ORDER BY label)
        FROM unnest(enum_range(NULL::omniscient_outcome)) AS label LEFT JOIN held ON outcome = label),
      'systemHealth', omniscient_system_health(p_domain) - '{stuck,activeConversations}'::text[]));
END
$$;

-- How the workers are doing: systemHealth of OmniscientAnalytics, and what is stuck (started more than 10 minutes ago
-- and not ended) and the conversations that run. Milliseconds and rate are of the rows that ended within the last hour;
-- without one they are null.
CREATE FUNCTION omniscient_system_health(p_domain text) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, public, pg_temp SET plan_cache_mode = force_custom_plan SET jit = off AS $$
BEGIN
  RETURN (
    WITH started AS (
      SELECT count(*) AS n, count(*) FILTER (WHERE created_at < now() - interval '10 minutes') AS stuck
      FROM omniscient_processing_logs WHERE status = 'started' AND (p_domain IS NULL OR domain = p_domain)
    ), pending AS (
      SELECT count(*) AS n FROM omniscient_matches
      WHERE status = 'pending_analysis' AND (p_domain IS NULL OR domain = p_domain)
    ), running AS (
      SELECT count(*) AS n FROM omniscient_conversations WHERE status = 'active' AND (p_domain IS NULL OR domain = p_domain)
    ), ended AS (
      SELECT round(avg(processing_time_ms), 1) AS time, round(avg((status = 'failed')::int), 4) AS errors
      FROM omniscient_processing_logs
      WHERE status <> 'started' AND COALESCE(completed_at, created_at) > now() - interval '1 hour'
        AND (p_domain IS NULL OR domain = p_domain)
    )
    SELECT jsonb_build_object('processingBacklog', started.n + pending.n, 'averageProcessingTime', time, 'errorRate', errors,
      'stuck', stuck, 'activeConversations', running.n)
    FROM started, pending, running, ended);
END
$$;

-- The five conditions of alerts, of each tenant that the caller may see. value is NULL where too little happened to
-- tell; such a condition does not hold. That the database cannot be reached is not seen from inside it: whoever reads
-- this view and gets no answer for threshold seconds takes that condition as holding.
CREATE VIEW omniscient_alert_conditions WITH (security_invoker = true) AS
WITH failed_analysis AS (
  SELECT domain, count(*) AS n FROM omniscient_processing_logs
  WHERE process_type = 'match' AND action IN ('analyze_pair', 'manual_match') AND status = 'failed'
    -- A request that was refused is no failed analysis.
    AND COALESCE(error_message, '') NOT IN ('same_person', 'not_eligible', 'unknown_user', 'unknown_tenant', 'inactive_tenant')
    AND COALESCE(completed_at, created_at) > now() - interval '1 hour'
  GROUP BY domain
), broken_conversation AS (
  SELECT domain, count(*) AS n FROM omniscient_conversations
  WHERE status = 'failed' AND updated_at > now() - interval '15 minutes'
    AND COALESCE(stop_reason, '') NOT IN ('withdrawn', 'erased')
  GROUP BY domain
), scored AS (
  SELECT domain, round(avg(opportunity_score), 4) AS score FROM omniscient_matches
  WHERE analyzed_at > now() - interval '24 hours' AND opportunity_score IS NOT NULL
  GROUP BY domain HAVING count(*) >= 20
), slow AS (
  SELECT domain, round((percentile_cont(0.95) WITHIN GROUP (ORDER BY processing_time_ms) / 1000)::numeric, 3) AS seconds
  FROM omniscient_processing_logs
  WHERE status <> 'started' AND COALESCE(completed_at, created_at) > now() - interval '1 hour' AND processing_time_ms IS NOT NULL
  GROUP BY domain HAVING count(*) >= 5
)
SELECT c.name, t.domain, c.subject, c.value, c.threshold, COALESCE(c.holds, false) AS holds
FROM tenants t
LEFT JOIN failed_analysis f USING (domain)
LEFT JOIN broken_conversation b USING (domain)
LEFT JOIN scored s USING (domain)
LEFT JOIN slow w USING (domain)
CROSS JOIN LATERAL (VALUES
  ('match_analysis_failures', 'match', COALESCE(f.n, 0)::numeric, 5::numeric, f.n > 5),
  ('conversation_errors', 'conversation', COALESCE(b.n, 0), 1, b.n >= 1),
  ('average_opportunity_score', 'match', s.score, 0.3, s.score < 0.3),
  ('processing_time_p95', 'processing', w.seconds, 30, w.seconds > 30)) AS c (name, subject, value, threshold, holds)
UNION ALL
SELECT 'database_unreachable', NULL, 'database', 0, 60, false;
COMMENT ON VIEW omniscient_alert_conditions IS 'value: failed analyses within an hour; conversations that failed within 15 minutes; the mean score of a day; seconds.';

REVOKE EXECUTE ON FUNCTION fill_omniscient_outcome(), refresh_omniscient_outcome(),
  omniscient_match_calibration(text, timestamptz, timestamptz), omniscient_match_analytics(text, timestamptz, timestamptz),
  omniscient_system_health(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION omniscient_match_calibration(text, timestamptz, timestamptz),
  omniscient_match_analytics(text, timestamptz, timestamptz), omniscient_system_health(text)
  TO authenticated, service_role, omnibus_readonly;
GRANT SELECT ON omniscient_alert_conditions TO authenticated, service_role, omnibus_readonly;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP VIEW omniscient_alert_conditions;
DROP FUNCTION omniscient_match_analytics(text, timestamptz, timestamptz);
DROP FUNCTION omniscient_system_health(text);
DROP FUNCTION omniscient_match_calibration(text, timestamptz, timestamptz);
ALTER POLICY operator ON omniscient_insights USING (current_setting('app.role', true) IN ('operator', 'admin'));
ALTER POLICY operator ON omniscient_matches USING (current_setting('app.role', true) IN ('operator', 'admin'));
ALTER POLICY operator ON omniscient_processing_logs USING (current_setting('app.role', true) IN ('operator', 'admin'));
ALTER POLICY operator ON omniscient_conversations USING (current_setting('app.role', true) IN ('operator', 'admin'));
ALTER POLICY operator ON omniscient_outcomes USING (current_setting('app.role', true) IN ('operator', 'admin'));
DROP INDEX omniscient_outcomes_converted, omniscient_matches_measured, omniscient_matches_analyzed,
  omniscient_conversations_measured, omniscient_conversations_failed, omniscient_insights_measured,
  omniscient_processing_logs_started, omniscient_processing_logs_ended;
DROP TRIGGER refresh_omniscient_outcomes ON omniscient_conversations;
DROP FUNCTION refresh_omniscient_outcome();
DROP TRIGGER fill_omniscient_outcomes ON omniscient_outcomes;
DROP FUNCTION fill_omniscient_outcome();
ALTER TABLE omniscient_outcomes DROP predicted_outcome, DROP actual_outcome, DROP prediction_error, DROP predicted_positive;
RESET ROLE;
