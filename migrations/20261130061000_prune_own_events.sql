-- A worker forgets only what it has handled itself, by the retention of its own topics, and finds it by an index: the
-- BRIN index widened for ever once the pages of forgotten rows were used again, until each look read the whole table.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

DROP INDEX pipeline.inbox_by_age;
CREATE INDEX inbox_by_age ON pipeline.inbox (consumer, processed_at);
DROP INDEX pipeline.dead_letter_actions_by_age;
CREATE INDEX dead_letter_actions_by_age ON pipeline.dead_letter_actions (consumer, at);

CREATE FUNCTION pipeline.prune_inbox(p_consumer text, p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_events  bigint;
  v_actions bigint;
BEGIN
  IF p_age < interval '1 day' THEN
    RAISE EXCEPTION 'events processed less than a day ago may come again: % is too short an age', p_age
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  -- Every process of the worker asks: without this, all would choose the same rows and wait for one another.
  IF NOT pg_try_advisory_xact_lock(hashtextextended('prune inbox ' || p_consumer, 0)) THEN
    RETURN 0;
  END IF;
  -- In the order of the index: a plan for any age would rather read the table until it has p_limit rows.
  DELETE FROM pipeline.inbox
  WHERE ctid = ANY (ARRAY(SELECT i.ctid FROM pipeline.inbox i
                          WHERE i.consumer = p_consumer AND i.processed_at < now() - p_age
                          ORDER BY i.processed_at LIMIT p_limit))
    AND consumer = p_consumer AND processed_at < now() - p_age;
  GET DIAGNOSTICS v_events = ROW_COUNT;
  -- Kafka removes whole segments, so a record can be read for a segment's time longer than its topic promises to keep
  -- it; and a letter that is still there must stay taken.
  DELETE FROM pipeline.dead_letter_actions
  WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM pipeline.dead_letter_actions a
                          WHERE a.consumer = p_consumer AND a.at < now() - 2 * p_age ORDER BY a.at LIMIT p_limit))
    AND consumer = p_consumer AND at < now() - 2 * p_age;
  GET DIAGNOSTICS v_actions = ROW_COUNT;
  RETURN greatest(v_events, v_actions);
END
$$;
COMMENT ON FUNCTION pipeline.prune_inbox(text, interval, bigint) IS 'Forgets the events that a worker processed longer ago than p_age, and actions on its dead letters twice as long ago: at most p_limit of each. Returns the larger number; 0 while another process of the worker is at it.';
COMMENT ON TABLE pipeline.forgotten IS 'Conversations and matches that were deleted, and the events whose messages were: a replay may not insert them. omnibus-gdpr keeps them for longer than any topic keeps its records.';
REVOKE EXECUTE ON FUNCTION pipeline.prune_inbox(text, interval, bigint) FROM PUBLIC;

DO $$
DECLARE
  v_role name;
BEGIN
  FOR v_role IN SELECT r.rolname FROM pg_roles r
                WHERE r.rolname LIKE 'omnibus\_%' AND NOT r.rolsuper AND r.rolname <> 'omnibus_owner'
                  AND has_function_privilege(r.oid, 'pipeline.prune_inbox(interval, bigint)', 'EXECUTE') LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(text, interval, bigint) TO %I', v_role);
  END LOOP;
  EXECUTE replace(pg_get_functiondef('pipeline.create_worker(text)'::regprocedure),
                  'prune_inbox(interval, bigint)', 'prune_inbox(text, interval, bigint)');
END
$$;
DROP FUNCTION pipeline.prune_inbox(interval, bigint);
DROP FUNCTION pipeline.prune_remembered(interval, bigint);

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.prune_remembered(p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_deletions bigint;
  v_actions   bigint;
BEGIN
  DELETE FROM pipeline.forgotten
  WHERE ctid = ANY (ARRAY(SELECT f.ctid FROM pipeline.forgotten f WHERE f.forgotten_at < now() - p_age LIMIT p_limit))
    AND forgotten_at < now() - p_age;
  GET DIAGNOSTICS v_deletions = ROW_COUNT;
  DELETE FROM pipeline.dead_letter_actions
  WHERE ctid = ANY (ARRAY(SELECT a.ctid FROM pipeline.dead_letter_actions a WHERE a.at < now() - p_age LIMIT p_limit))
    AND at < now() - p_age;
  GET DIAGNOSTICS v_actions = ROW_COUNT;
  RETURN greatest(v_deletions, v_actions);
END
$$;
COMMENT ON FUNCTION pipeline.prune_remembered IS 'Forgets deletions and what was done with dead letters longer ago than p_age, at most p_limit of each; returns the larger number.';
REVOKE EXECUTE ON FUNCTION pipeline.prune_remembered(interval, bigint) FROM PUBLIC;

CREATE FUNCTION pipeline.prune_inbox(p_age interval, p_limit bigint) RETURNS bigint
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
COMMENT ON FUNCTION pipeline.prune_inbox(interval, bigint) IS 'Forgets events processed longer ago than p_age, and deletions and actions on dead letters twice as long ago: at most p_limit of each. Returns the largest number; 0 while another process is at it.';
COMMENT ON TABLE pipeline.forgotten IS 'Conversations and matches that were deleted, and the events whose messages were: a replay may not insert them. Kept for longer than any topic keeps its records: see pipeline.prune_inbox.';
REVOKE EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) FROM PUBLIC;

DO $$
DECLARE
  v_role name;
BEGIN
  FOR v_role IN SELECT r.rolname FROM pg_roles r
                WHERE r.rolname LIKE 'omnibus\_%' AND NOT r.rolsuper AND r.rolname <> 'omnibus_owner'
                  AND has_function_privilege(r.oid, 'pipeline.prune_inbox(text, interval, bigint)', 'EXECUTE') LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO %I', v_role);
  END LOOP;
  EXECUTE replace(pg_get_functiondef('pipeline.create_worker(text)'::regprocedure),
                  'prune_inbox(text, interval, bigint)', 'prune_inbox(interval, bigint)');
END
$$;
DROP FUNCTION pipeline.prune_inbox(text, interval, bigint);

DROP INDEX pipeline.dead_letter_actions_by_age;
CREATE INDEX dead_letter_actions_by_age ON pipeline.dead_letter_actions USING brin (at) WITH (pages_per_range = 32, autosummarize = on);
DROP INDEX pipeline.inbox_by_age;
CREATE INDEX inbox_by_age ON pipeline.inbox USING brin (processed_at) WITH (pages_per_range = 32, autosummarize = on);

RESET ROLE;
