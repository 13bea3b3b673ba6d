-- What still grew for ever is pruned too, one process at a time prunes the inbox, hot tables are vacuumed by small shares, and
-- `omnibus doctor` may see how old the rows of each table are. The list of all tables is common/retention/kept_tables.cpp.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

GRANT SELECT, DELETE ON pipeline.spend, pipeline.delivery_actions, pipeline.replay_runs TO omnibus_gdpr;
CREATE POLICY retention ON pipeline.spend TO omnibus_gdpr USING (true);
GRANT EXECUTE ON FUNCTION pipeline.prune_deliveries(timestamptz, bigint) TO omnibus_gdpr;

GRANT SELECT (created_at) ON access_log, gdpr_archives, pipeline.idempotency_keys, pipeline.llm_responses TO omnibus_operator;
GRANT SELECT (started_at) ON pipeline.maintenance_runs, pipeline.replay_runs TO omnibus_operator;
GRANT SELECT (forgotten_at) ON pipeline.forgotten TO omnibus_operator;
CREATE POLICY age ON access_log FOR SELECT TO omnibus_operator USING (true);
CREATE POLICY age ON gdpr_archives FOR SELECT TO omnibus_operator USING (true);
CREATE POLICY age ON pipeline.idempotency_keys FOR SELECT TO omnibus_operator USING (true);

CREATE OR REPLACE FUNCTION pipeline.prune_inbox(p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_pruned bigint;
BEGIN
  IF p_age < interval '1 day' THEN
    RAISE EXCEPTION 'events processed less than a day ago may come again: % is too short an age', p_age
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Every worker asks: without this, all would choose the same rows and wait for one another.
  IF NOT pg_try_advisory_xact_lock(hashtextextended('prune inbox', 0)) THEN
    RETURN 0;
  END IF;
  DELETE FROM pipeline.inbox
  WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM pipeline.inbox i WHERE i.processed_at < now() - p_age LIMIT p_limit))
    AND processed_at < now() - p_age;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  -- Kafka removes whole segments, so a record can be read for a segment's time longer than its topic promises to keep
  -- it; and a letter that is still there must stay taken, an event of who was deleted must stay refused.
  RETURN greatest(v_pruned, pipeline.prune_remembered(2 * p_age, p_limit));
END
$$;
COMMENT ON FUNCTION pipeline.prune_inbox IS 'Forgets events processed longer ago than p_age, and deletions and actions on dead letters twice as long ago: at most p_limit of each. Returns the largest number; 0 while another process is at it.';

DO $$
DECLARE
  name text;
BEGIN
  -- By default a fifth of a table is dead before it is vacuumed, and what is only inserted waits as long for its
  -- visibility map: on a billion rows that is once a year, for hours.
  FOREACH name IN ARRAY ARRAY['pipeline.inbox', 'pipeline.delivery', 'pipeline.delivery_receipt', 'pipeline.llm_responses',
      'pipeline.idempotency_keys', 'pipeline.telemetry_calls', 'messages', 'conversations', 'message_delivery_log',
      'omnichannel_sessions', 'access_log'] LOOP
    EXECUTE format('ALTER TABLE %s SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000, '
                   'autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 10000, '
                   'autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000)', name);
  END LOOP;
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

DO $$
DECLARE
  name text;
BEGIN
  FOREACH name IN ARRAY ARRAY['pipeline.inbox', 'pipeline.delivery', 'pipeline.delivery_receipt', 'pipeline.llm_responses',
      'pipeline.idempotency_keys', 'pipeline.telemetry_calls', 'messages', 'conversations', 'message_delivery_log',
      'omnichannel_sessions', 'access_log'] LOOP
    EXECUTE format('ALTER TABLE %s RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold, '
                   'autovacuum_vacuum_insert_scale_factor, autovacuum_vacuum_insert_threshold, '
                   'autovacuum_analyze_scale_factor, autovacuum_analyze_threshold)', name);
  END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION pipeline.prune_inbox(p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_pruned bigint;
BEGIN
  IF p_age < interval '1 day' THEN
    RAISE EXCEPTION 'events processed less than a day ago may come again: % is too short an age', p_age
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM pipeline.inbox
  WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM pipeline.inbox i WHERE i.processed_at < now() - p_age LIMIT p_limit))
    AND processed_at < now() - p_age;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  -- Kafka removes whole segments, so a record can be read for a segment's time longer than its topic promises to keep
  -- it; and a letter that is still there must stay taken, an event of who was deleted must stay refused.
  RETURN greatest(v_pruned, pipeline.prune_remembered(2 * p_age, p_limit));
END
$$;
COMMENT ON FUNCTION pipeline.prune_inbox IS 'Forgets events processed longer ago than p_age, and deletions and actions on dead letters twice as long ago: at most p_limit of each. Returns the largest number.';

DROP POLICY age ON pipeline.idempotency_keys;
DROP POLICY age ON gdpr_archives;
DROP POLICY age ON access_log;
REVOKE SELECT (forgotten_at) ON pipeline.forgotten FROM omnibus_operator;
REVOKE SELECT (started_at) ON pipeline.maintenance_runs, pipeline.replay_runs FROM omnibus_operator;
REVOKE SELECT (created_at) ON access_log, gdpr_archives, pipeline.idempotency_keys, pipeline.llm_responses FROM omnibus_operator;
REVOKE EXECUTE ON FUNCTION pipeline.prune_deliveries(timestamptz, bigint) FROM omnibus_gdpr;
DROP POLICY retention ON pipeline.spend;
REVOKE SELECT, DELETE ON pipeline.spend, pipeline.delivery_actions, pipeline.replay_runs FROM omnibus_gdpr;

RESET ROLE;
