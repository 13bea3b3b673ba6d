-- Who owns a partition. A worker that was paused, lost its partition and woke up finds a newer epoch here.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.fence (
  consumer  text        NOT NULL,
  topic     text        NOT NULL,
  partition int         NOT NULL CHECK (partition >= 0),
  epoch     bigint      NOT NULL CHECK (epoch > 0),
  owner     text        NOT NULL,
  taken_at  timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, topic, partition)
);
COMMENT ON TABLE pipeline.fence IS 'The epoch of each partition''s present owner; only transactions of that epoch are admitted.';

CREATE FUNCTION pipeline.claim_key(consumer text, topic text, partition int) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended(consumer || chr(10) || topic || chr(10) || partition, 0);
COMMENT ON FUNCTION pipeline.claim_key IS 'The advisory lock of a partition: shared by its owner''s transactions, exclusive while it changes hands.';

CREATE FUNCTION pipeline.take_over(p_consumer text, p_topic text, p_partition int, p_owner text) RETURNS bigint
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_epoch bigint;
BEGIN
  -- Waits for every transaction the owners so far have open.
  PERFORM pg_advisory_xact_lock(pipeline.claim_key(p_consumer, p_topic, p_partition));
  INSERT INTO pipeline.fence AS f (consumer, topic, partition, epoch, owner)
  VALUES (p_consumer, p_topic, p_partition, 1, p_owner)
  ON CONFLICT (consumer, topic, partition)
  DO UPDATE SET epoch = f.epoch + 1, owner = excluded.owner, taken_at = now()
  RETURNING f.epoch INTO v_epoch;
  RETURN v_epoch;
END
$$;
COMMENT ON FUNCTION pipeline.take_over IS 'Makes p_owner the only one whose transactions are admitted, and returns the epoch to present.';

CREATE FUNCTION pipeline.take_over_all(p_consumer text, p_topics text[], p_partitions int[], p_owner text)
RETURNS TABLE (ordinal bigint, epoch bigint)
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  claim record;
BEGIN
  -- Everyone locks in the order of the keys, so nobody can deadlock.
  FOR claim IN
    SELECT c.topic, c.partition, c.ordinal
    FROM unnest(p_topics, p_partitions) WITH ORDINALITY AS c (topic, partition, ordinal)
    ORDER BY pipeline.claim_key(p_consumer, c.topic, c.partition)
  LOOP
    ordinal := claim.ordinal;
    epoch := pipeline.take_over(p_consumer, claim.topic, claim.partition, p_owner);
    RETURN NEXT;
  END LOOP;
END
$$;

GRANT SELECT, INSERT, UPDATE ON pipeline.fence TO omnibus_chat, omnibus_replay;
GRANT SELECT ON pipeline.fence TO omnibus_relay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.take_over_all(text, text[], int[], text);
DROP FUNCTION pipeline.take_over(text, text, int, text);
DROP FUNCTION pipeline.claim_key(text, text, int);
DROP TABLE pipeline.fence;
