-- Events of several partitions, each admitted by its own right, for units of work that share a transaction.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.admit_each(p_consumer text, p_run_id uuid, p_event_ids uuid[], p_topics text[], p_partitions int[], p_epochs bigint[])
RETURNS TABLE (ordinal bigint, verdict text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  key bigint;
BEGIN
  FOR key IN
    SELECT DISTINCT pipeline.claim_key(p_consumer, c.topic, c.partition) AS k
    FROM unnest(p_topics, p_partitions) AS c (topic, partition)
    ORDER BY k
  LOOP
    PERFORM pg_advisory_xact_lock_shared(key);
  END LOOP;
  -- Sorted, as in admit_all.
  RETURN QUERY
  WITH asked AS (
    SELECT a.ordinal, a.event_id, f.epoch IS NOT NULL AS owned
    FROM unnest(p_event_ids, p_topics, p_partitions, p_epochs) WITH ORDINALITY AS a (event_id, topic, partition, epoch, ordinal)
    LEFT JOIN pipeline.fence f
      ON f.consumer = p_consumer AND f.topic = a.topic AND f.partition = a.partition AND f.epoch = a.epoch
  ), earliest AS (
    SELECT a.event_id, min(a.ordinal) AS ordinal FROM asked a WHERE a.owned GROUP BY a.event_id
  ), admitted AS (
    INSERT INTO pipeline.inbox AS i (consumer, run_id, event_id)
    SELECT p_consumer, p_run_id, e.event_id FROM earliest e ORDER BY e.event_id
    ON CONFLICT DO NOTHING
    RETURNING i.event_id
  )
  SELECT a.ordinal, CASE WHEN NOT a.owned THEN 'fenced' WHEN m.event_id IS NULL THEN 'duplicate' ELSE 'new' END
  FROM asked a
  LEFT JOIN earliest e USING (event_id, ordinal)
  LEFT JOIN admitted m ON m.event_id = e.event_id;
END
$$;
COMMENT ON FUNCTION pipeline.admit_each IS 'Claims events for this transaction, each as admit would: by the order they are given in, new, duplicate or fenced.';

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.admit_each(text, uuid, uuid[], text[], int[], bigint[]);
