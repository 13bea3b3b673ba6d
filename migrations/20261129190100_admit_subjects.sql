-- Admission asks about the people whom an event is about, so that no worker can forget it.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.worse_refusal(a text, b text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN a = 'erased' OR b IS NULL THEN a ELSE b END;
COMMENT ON FUNCTION pipeline.worse_refusal IS 'What of an event is refused for one of the people it is about: erased before erasing.';

DROP FUNCTION pipeline.admit(text, uuid, uuid, text, int, bigint);
CREATE FUNCTION pipeline.admit(p_consumer text, p_run_id uuid, p_event_id uuid, p_topic text, p_partition int, p_epoch bigint,
                               p_subjects text[] DEFAULT '{}', p_from_topic text DEFAULT NULL,
                               p_from_partition int DEFAULT NULL, p_from_offset bigint DEFAULT NULL)
RETURNS text
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_subject text;
  v_refusal text;
BEGIN
  -- First the lock, held until the transaction ends: from here on nobody can take the partition over. What follows
  -- reads with a fresh snapshot, so it sees a take-over that this had to wait for.
  PERFORM pg_advisory_xact_lock_shared(pipeline.claim_key(p_consumer, p_topic, p_partition));
  PERFORM 1 FROM pipeline.fence f
  WHERE f.consumer = p_consumer AND f.topic = p_topic AND f.partition = p_partition AND f.epoch = p_epoch;
  IF NOT FOUND THEN
    RETURN 'fenced';
  END IF;
  -- The same with erasures: none begins from here on, and one that this had to wait for is seen.
  FOREACH v_subject IN ARRAY p_subjects LOOP
    PERFORM pg_advisory_xact_lock_shared(pipeline.subject_lock(v_subject));
    PERFORM FROM pipeline.erasures e WHERE e.subject_key = v_subject;
    CONTINUE WHEN NOT FOUND;
    v_refusal := pipeline.worse_refusal(v_refusal, pipeline.refusal(v_subject, p_from_topic, p_from_partition, p_from_offset));
  END LOOP;
  -- Waits for another transaction that is writing the same row.
  INSERT INTO pipeline.inbox (consumer, run_id, event_id) VALUES (p_consumer, p_run_id, p_event_id)
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN 'duplicate';
  END IF;
  RETURN COALESCE(v_refusal, 'new');
END
$$;
COMMENT ON FUNCTION pipeline.admit IS 'Claims an event for this transaction. p_subjects, sorted, are whom it is about, p_from_… is its record''s first position. New, duplicate or fenced; erased, then commit its inbox row and nothing else; erasing, then roll back and ask later. Needs READ COMMITTED.';

DROP FUNCTION pipeline.admit_each(text, uuid, uuid[], text[], int[], bigint[]);
-- The people are a table, sorted by them: whom the event with this ordinal is about, and its record's first position.
CREATE FUNCTION pipeline.admit_each(p_consumer text, p_run_id uuid, p_event_ids uuid[], p_topics text[], p_partitions int[], p_epochs bigint[],
                                    p_about bigint[] DEFAULT '{}', p_subjects text[] DEFAULT '{}',
                                    p_from_topics text[] DEFAULT '{}', p_from_partitions int[] DEFAULT '{}',
                                    p_from_offsets bigint[] DEFAULT '{}')
RETURNS TABLE (ordinal bigint, verdict text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  key bigint;
  v_refusals text[] := array_fill(NULL::text, ARRAY[cardinality(p_event_ids)]);
BEGIN
  FOR key IN
    SELECT DISTINCT pipeline.claim_key(p_consumer, c.topic, c.partition) AS k
    FROM unnest(p_topics, p_partitions) AS c (topic, partition)
    ORDER BY k
  LOOP
    PERFORM pg_advisory_xact_lock_shared(key);
  END LOOP;
  FOR i IN 1..cardinality(p_subjects) LOOP
    PERFORM pg_advisory_xact_lock_shared(pipeline.subject_lock(p_subjects[i]));
    PERFORM FROM pipeline.erasures e WHERE e.subject_key = p_subjects[i];
    CONTINUE WHEN NOT FOUND;
    v_refusals[p_about[i]] := pipeline.worse_refusal(
      v_refusals[p_about[i]], pipeline.refusal(p_subjects[i], p_from_topics[i], p_from_partitions[i], p_from_offsets[i]));
  END LOOP;
  -- Sorted, as in admit_all.
  RETURN QUERY
  WITH asked AS (
    SELECT a.ordinal, a.event_id, f.epoch IS NOT NULL AS owned, a.refusal
    FROM unnest(p_event_ids, p_topics, p_partitions, p_epochs, v_refusals) WITH ORDINALITY
      AS a (event_id, topic, partition, epoch, refusal, ordinal)
    LEFT JOIN pipeline.fence f
      ON f.consumer = p_consumer AND f.topic = a.topic AND f.partition = a.partition AND f.epoch = a.epoch
  ), earliest AS (
    SELECT a.event_id, min(a.ordinal) AS ordinal FROM asked a
    WHERE a.owned AND a.refusal IS DISTINCT FROM 'erasing' GROUP BY a.event_id
  ), admitted AS (
    INSERT INTO pipeline.inbox AS i (consumer, run_id, event_id)
    SELECT p_consumer, p_run_id, e.event_id FROM earliest e ORDER BY e.event_id
    ON CONFLICT DO NOTHING
    RETURNING i.event_id
  )
  SELECT a.ordinal, CASE
    WHEN NOT a.owned THEN 'fenced'
    WHEN a.refusal = 'erasing' AND NOT EXISTS (
      SELECT FROM pipeline.inbox i WHERE i.consumer = p_consumer AND i.run_id = p_run_id AND i.event_id = a.event_id) THEN 'erasing'
    WHEN m.event_id IS NULL THEN 'duplicate'
    ELSE COALESCE(a.refusal, 'new') END
  FROM asked a
  LEFT JOIN earliest e USING (event_id, ordinal)
  LEFT JOIN admitted m ON m.event_id = e.event_id;
END
$$;
COMMENT ON FUNCTION pipeline.admit_each IS 'Claims events for this transaction, each as admit would: by the order they are given in, new, duplicate, fenced, erased or erasing. An erasing one has no inbox row.';

DROP FUNCTION pipeline.admit_all(text, uuid, uuid[], text[], int[], bigint[]);
-- The people are a table, sorted by them: whom the event with this id is about, and its record's first position.
CREATE FUNCTION pipeline.admit_all(p_consumer text, p_run_id uuid, p_event_ids uuid[], p_topics text[], p_partitions int[], p_epochs bigint[],
                                   p_about uuid[] DEFAULT '{}', p_subjects text[] DEFAULT '{}', p_from_topics text[] DEFAULT '{}',
                                   p_from_partitions int[] DEFAULT '{}', p_from_offsets bigint[] DEFAULT '{}')
RETURNS TABLE (event_id uuid, verdict text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  key bigint;
  v_refusal text;
  v_refused uuid[] := '{}';
  v_waits uuid[] := '{}';
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
    RETURN QUERY SELECT NULL::uuid, 'fenced';
    RETURN;
  END IF;
  FOR i IN 1..cardinality(p_subjects) LOOP
    PERFORM pg_advisory_xact_lock_shared(pipeline.subject_lock(p_subjects[i]));
    PERFORM FROM pipeline.erasures e WHERE e.subject_key = p_subjects[i];
    CONTINUE WHEN NOT FOUND;
    v_refusal := pipeline.refusal(p_subjects[i], p_from_topics[i], p_from_partitions[i], p_from_offsets[i]);
    IF v_refusal = 'erased' THEN
      v_refused := v_refused || p_about[i];
    ELSIF v_refusal = 'erasing' THEN
      v_waits := v_waits || p_about[i];
    END IF;
  END LOOP;
  IF NOT v_waits <@ v_refused THEN
    RETURN QUERY SELECT NULL::uuid, 'erasing';
    RETURN;
  END IF;
  -- Sorted, so that two workers with the same events wait for one another instead of deadlocking.
  RETURN QUERY
  WITH admitted AS (
    INSERT INTO pipeline.inbox AS i (consumer, run_id, event_id)
    SELECT p_consumer, p_run_id, e.id FROM (SELECT DISTINCT id FROM unnest(p_event_ids) AS id) AS e ORDER BY e.id
    ON CONFLICT DO NOTHING
    RETURNING i.event_id
  )
  SELECT a.event_id, CASE WHEN a.event_id = ANY (v_refused) THEN 'erased' ELSE 'new' END FROM admitted a;
END
$$;
COMMENT ON FUNCTION pipeline.admit_all IS 'Claims many events at once: returns those that are new or erased; or one NULL, fenced when any of the partitions was taken over, erasing while an erasure of any of the people runs.';

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

DROP FUNCTION pipeline.admit_all(text, uuid, uuid[], text[], int[], bigint[], uuid[], text[], text[], int[], bigint[]);
DROP FUNCTION pipeline.admit_each(text, uuid, uuid[], text[], int[], bigint[], bigint[], text[], text[], int[], bigint[]);
DROP FUNCTION pipeline.admit(text, uuid, uuid, text, int, bigint, text[], text, int, bigint);
DROP FUNCTION pipeline.worse_refusal(text, text);

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

RESET ROLE;
