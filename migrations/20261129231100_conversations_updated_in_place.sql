-- A turn updates its conversation's row in place: nothing that each update changes is in an index.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

DROP INDEX omniscient_conversations_failed;
CREATE INDEX omniscient_conversations_failed ON omniscient_conversations (completed_at) WHERE status = 'failed';

CREATE OR REPLACE VIEW omniscient_alert_conditions WITH (security_invoker = true) AS
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
    AND completed_at > now() - interval '15 minutes'
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

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE VIEW omniscient_alert_conditions WITH (security_invoker = true) AS
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
DROP INDEX omniscient_conversations_failed;
CREATE INDEX omniscient_conversations_failed ON omniscient_conversations (updated_at) WHERE status = 'failed';
RESET ROLE;
