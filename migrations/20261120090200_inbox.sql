-- Which events a worker has processed: the row is written in the transaction of the effect, so both happen or neither.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.inbox (
  consumer     text        NOT NULL,
  run_id       uuid        NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
  event_id     uuid        NOT NULL,
  processed_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, run_id, event_id)
);
COMMENT ON TABLE pipeline.inbox IS 'One row per event and worker (and replay run): its effect is in the database.';
-- Rows come in the order of time, so this tiny index is enough to find the old ones.
CREATE INDEX inbox_by_age ON pipeline.inbox USING brin (processed_at) WITH (pages_per_range = 32, autosummarize = on);

CREATE FUNCTION pipeline.admit(p_consumer text, p_run_id uuid, p_event_id uuid, p_topic text, p_partition int, p_epoch bigint)
RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  -- First the lock, held until the transaction ends: from here on nobody can take the partition over. What follows
  -- reads with a fresh snapshot, so it sees a take-over that this had to wait for.
  PERFORM pg_advisory_xact_lock_shared(pipeline.claim_key(p_consumer, p_topic, p_partition));
  PERFORM 1 FROM pipeline.fence f
  WHERE f.consumer = p_consumer AND f.topic = p_topic AND f.partition = p_partition AND f.epoch = p_epoch;
  IF NOT FOUND THEN
    RETURN 'fenced';
  END IF;
  -- Waits for another transaction that is writing the same row.
  INSERT INTO pipeline.inbox (consumer, run_id, event_id) VALUES (p_consumer, p_run_id, p_event_id)
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN 'duplicate';
  END IF;
  RETURN 'new';
END
$$;
COMMENT ON FUNCTION pipeline.admit IS 'Claims an event for this transaction: new, duplicate or fenced. Needs READ COMMITTED.';

CREATE FUNCTION pipeline.admit_all(p_consumer text, p_run_id uuid, p_event_ids uuid[], p_topics text[], p_partitions int[], p_epochs bigint[])
RETURNS SETOF uuid
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  key bigint;
BEGIN
  FOR key IN
    SELECT pipeline.claim_key(p_consumer, c.topic, c.partition) AS k
    FROM unnest(p_topics, p_partitions) AS c (topic, partition)
    ORDER BY k
  LOOP
    PERFORM pg_advisory_xact_lock_shared(key);
  END LOOP;
  IF EXISTS (
    SELECT FROM unnest(p_topics, p_partitions, p_epochs) AS c (topic, partition, epoch)
    LEFT JOIN pipeline.fence f ON f.consumer = p_consumer AND f.topic = c.topic AND f.partition = c.partition
    WHERE f.epoch IS DISTINCT FROM c.epoch
  ) THEN
    RETURN NEXT NULL;
    RETURN;
  END IF;
  -- Sorted, so that two workers with the same events wait for one another instead of deadlocking.
  RETURN QUERY
  INSERT INTO pipeline.inbox AS i (consumer, run_id, event_id)
  SELECT p_consumer, p_run_id, e.id FROM (SELECT DISTINCT id FROM unnest(p_event_ids) AS id) AS e ORDER BY e.id
  ON CONFLICT DO NOTHING
  RETURNING i.event_id;
END
$$;
COMMENT ON FUNCTION pipeline.admit_all IS 'Claims many events at once: returns those that are new, or one NULL when any of the partitions was taken over.';

-- With the owner's rights: a worker may forget old events, and cannot delete others.
CREATE FUNCTION pipeline.prune_inbox(p_age interval, p_limit bigint) RETURNS bigint
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
REVOKE EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO omnibus_chat, omnibus_relay;

GRANT SELECT, INSERT ON pipeline.inbox TO omnibus_chat, omnibus_replay;
GRANT SELECT ON pipeline.inbox TO omnibus_relay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.prune_inbox(interval, bigint);
DROP FUNCTION pipeline.admit_all(text, uuid, uuid[], text[], int[], bigint[]);
DROP FUNCTION pipeline.admit(text, uuid, uuid, text, int, bigint);
DROP TABLE pipeline.inbox;
