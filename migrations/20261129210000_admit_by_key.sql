-- Many events are admitted without a look at the rest of the inbox.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Without a person that is being erased, nothing here grows with the inbox or with the number of erasures.
CREATE OR REPLACE FUNCTION pipeline.admit_each(p_consumer text, p_run_id uuid, p_event_ids uuid[], p_topics text[], p_partitions int[], p_epochs bigint[],
                                    p_about bigint[] DEFAULT '{}', p_subjects text[] DEFAULT '{}',
                                    p_from_topics text[] DEFAULT '{}', p_from_partitions int[] DEFAULT '{}',
                                    p_from_offsets bigint[] DEFAULT '{}')
RETURNS TABLE (ordinal bigint, verdict text)
LANGUAGE plpgsql VOLATILE AS $$
#variable_conflict use_column
DECLARE
  v_refused record;
  v_refusals text[] := array_fill(NULL::text, ARRAY[cardinality(p_event_ids)]);
BEGIN
  -- Each statement sees what the locks before it had to wait for.
  PERFORM pg_advisory_xact_lock_shared(c.key)
  FROM (SELECT DISTINCT pipeline.claim_key(p_consumer, topic, partition) AS key
        FROM unnest(p_topics, p_partitions) AS claimed (topic, partition) ORDER BY key) AS c;
  PERFORM pg_advisory_xact_lock_shared(pipeline.subject_lock(s)) FROM unnest(p_subjects) AS s;
  FOR v_refused IN
    SELECT s.about, pipeline.refusal(s.subject, s.topic, s.partition, s.first_offset) AS refusal
    FROM unnest(p_about, p_subjects, p_from_topics, p_from_partitions, p_from_offsets)
      AS s (about, subject, topic, partition, first_offset)
    WHERE EXISTS (SELECT FROM pipeline.erasures e WHERE e.subject_key = s.subject)
  LOOP
    v_refusals[v_refused.about] := pipeline.worse_refusal(v_refusals[v_refused.about], v_refused.refusal);
  END LOOP;
  -- Sorted, as in admit_all. The inbox is read by its key, and only for what is being erased: an EXISTS here would be
  -- planned as one scan of the whole inbox.
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
    WHEN a.refusal = 'erasing' AND (
      SELECT i.event_id FROM pipeline.inbox i
      WHERE i.consumer = p_consumer AND i.run_id = p_run_id AND i.event_id = a.event_id) IS NULL THEN 'erasing'
    WHEN m.event_id IS NULL THEN 'duplicate'
    ELSE COALESCE(a.refusal, 'new') END
  FROM asked a
  LEFT JOIN earliest e USING (event_id, ordinal)
  LEFT JOIN admitted m ON m.event_id = e.event_id;
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION pipeline.admit_each(p_consumer text, p_run_id uuid, p_event_ids uuid[], p_topics text[], p_partitions int[], p_epochs bigint[],
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
RESET ROLE;
