-- What is deleted because of its age: the rights of the gdpr worker for it, and what finds old rows.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE pipeline.maintenance_runs
  ADD COLUMN held      bigint  NOT NULL DEFAULT 0,
  ADD COLUMN counts    jsonb   NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(counts) = 'object'),
  ADD COLUMN forced    boolean NOT NULL DEFAULT false,
  ADD COLUMN announced boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN pipeline.maintenance_runs.held IS 'Rows that a legal hold kept.';
COMMENT ON COLUMN pipeline.maintenance_runs.counts IS 'By tenant and table: {"shop.example": {"messages": 3, "held": 1}}.';
COMMENT ON COLUMN pipeline.maintenance_runs.forced IS 'Begun by an operator although it would have stopped.';
COMMENT ON COLUMN pipeline.maintenance_runs.announced IS 'Its events were published.';
CREATE UNIQUE INDEX maintenance_runs_open ON pipeline.maintenance_runs (name) WHERE state = 'running';
GRANT DELETE ON pipeline.maintenance_runs TO omnibus_gdpr;

-- The clock of a calendar that has neither zones nor daylight saving, whatever the role or the server is set to.
CREATE FUNCTION pipeline.two_years_before(p_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ((p_at AT TIME ZONE 'UTC') - interval '2 years') AT TIME ZONE 'UTC';
COMMENT ON FUNCTION pipeline.two_years_before IS 'Two calendar years before, in UTC.';

-- Tables where rows are found by their age alone.
CREATE INDEX conversations_by_age ON conversations (domain, created_at, id);
CREATE INDEX message_delivery_log_by_age ON message_delivery_log USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX access_log_by_age ON access_log USING brin (created_at) WITH (autosummarize = on);
CREATE INDEX llm_responses_by_age ON pipeline.llm_responses USING brin (created_at) WITH (autosummarize = on);

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['pipeline.idempotency_keys', 'personal_stories', 'omniscient_insights',
      'omniscient_match_insights'] LOOP
    EXECUTE format('CREATE POLICY retention ON %s TO omnibus_gdpr USING (true) WITH CHECK (true)', name);
  END LOOP;
END
$$;
-- Besides what an erasure may.
GRANT SELECT ON personal_stories, omniscient_match_insights TO omnibus_gdpr;
GRANT SELECT, DELETE ON omniscient_insights, pipeline.idempotency_keys TO omnibus_gdpr;
GRANT SELECT, DELETE ON omniscient_reports, omniscient_processing_logs, access_log TO omnibus_gdpr;
GRANT UPDATE (content, tool_calls, sentiment, purged_at) ON messages TO omnibus_gdpr;

-- With the owner's rights: the worker may forget old erasures, and cannot end others.
CREATE FUNCTION pipeline.prune_erasures(p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_pruned bigint;
BEGIN
  IF p_age < interval '30 days' THEN
    RAISE EXCEPTION 'records of who was erased less than 30 days ago may still be in the log: % is too short an age', p_age
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM pipeline.erasures
  WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM pipeline.erasures e
                          WHERE e.erased_at < now() - p_age AND e.positions IS NOT NULL AND NOT e.for_good LIMIT p_limit))
    AND erased_at < now() - p_age;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  RETURN v_pruned;
END
$$;
COMMENT ON FUNCTION pipeline.prune_erasures IS 'Forgets erasures whose positions are older than p_age, at most p_limit: no log has a record before them. Returns how many.';
REVOKE EXECUTE ON FUNCTION pipeline.prune_erasures(interval, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.prune_erasures(interval, bigint) TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION pipeline.prune_erasures(interval, bigint);
REVOKE UPDATE (content, tool_calls, sentiment, purged_at) ON messages FROM omnibus_gdpr;
REVOKE SELECT, DELETE ON omniscient_reports, omniscient_processing_logs, access_log FROM omnibus_gdpr;
-- What an erasure reads of them.
GRANT SELECT (id, user_id, text) ON omniscient_reports TO omnibus_gdpr;
GRANT SELECT (id, target_id) ON omniscient_processing_logs TO omnibus_gdpr;
GRANT SELECT (id, domain, object) ON access_log TO omnibus_gdpr;
REVOKE ALL ON personal_stories, omniscient_match_insights, omniscient_insights, pipeline.idempotency_keys FROM omnibus_gdpr;
DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['pipeline.idempotency_keys', 'personal_stories', 'omniscient_insights',
      'omniscient_match_insights'] LOOP
    EXECUTE format('DROP POLICY retention ON %s', name);
  END LOOP;
END
$$;
DROP INDEX pipeline.llm_responses_by_age, access_log_by_age, message_delivery_log_by_age, conversations_by_age;
DROP FUNCTION pipeline.two_years_before(timestamptz);
REVOKE DELETE ON pipeline.maintenance_runs FROM omnibus_gdpr;
DROP INDEX pipeline.maintenance_runs_open;
ALTER TABLE pipeline.maintenance_runs DROP COLUMN announced, DROP COLUMN forced, DROP COLUMN counts, DROP COLUMN held;
RESET ROLE;
