-- What is remembered of deletions and of dead letters is forgotten too, where workers forget old events.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE INDEX forgotten_by_age ON pipeline.forgotten USING brin (forgotten_at) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX dead_letter_actions_by_age ON pipeline.dead_letter_actions USING brin (at) WITH (pages_per_range = 32, autosummarize = on);

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
COMMENT ON TABLE pipeline.forgotten IS 'Conversations that were deleted, and the events whose messages were: a replay may not insert them. Kept for longer than any topic keeps its records: see pipeline.prune_inbox.';
COMMENT ON TABLE pipeline.dead_letter_actions IS 'One row per dead letter that was sent again or dropped; letters without one are open. Kept for longer than any letter is: see pipeline.prune_inbox.';

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
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
  RETURN v_pruned;
END
$$;
COMMENT ON FUNCTION pipeline.prune_inbox IS 'Forgets events processed longer ago than p_age, at most p_limit of them; returns how many.';
COMMENT ON TABLE pipeline.forgotten IS 'Conversations that were deleted, and the events whose messages were: a replay may not insert them. Not needed for longer than any topic keeps its records.';
COMMENT ON TABLE pipeline.dead_letter_actions IS 'One row per dead letter that was sent again or dropped; letters without one are open.';
DROP FUNCTION pipeline.prune_remembered(interval, bigint);
DROP INDEX pipeline.dead_letter_actions_by_age;
DROP INDEX pipeline.forgotten_by_age;
RESET ROLE;
