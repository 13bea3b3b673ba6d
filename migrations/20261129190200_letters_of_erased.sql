-- A dead letter about an erased person is not redriven.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.is_refused(p_subjects text[], p_topic text, p_partition int, p_offset bigint) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT COALESCE(bool_or(pipeline.refusal(s, p_topic, p_partition, p_offset) IS NOT NULL), false) FROM unnest(p_subjects) AS s;
END;
COMMENT ON FUNCTION pipeline.is_refused IS 'Whether a record is refused, for good or for now, for one of the people whom it is about.';

DROP FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid);
CREATE FUNCTION pipeline.take_dead_letter(p_letter_id uuid, p_topic text, p_partition int, p_offset bigint, p_action text,
                                          p_actor text, p_consumer text, p_event_id uuid, p_subjects text[] DEFAULT '{}',
                                          p_from_topic text DEFAULT NULL, p_from_partition int DEFAULT NULL,
                                          p_from_offset bigint DEFAULT NULL)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Without a lock: what an erasure that begins now does not stop here, admission refuses.
  IF p_action = 'redriven' AND pipeline.is_refused(p_subjects, p_from_topic, p_from_partition, p_from_offset) THEN
    RETURN false;
  END IF;
  -- Waits for another transaction that is taking the same letter.
  INSERT INTO pipeline.dead_letter_actions (letter_id, topic, partition, letter_offset, consumer, action, actor)
  VALUES (p_letter_id, p_topic, p_partition, p_offset, p_consumer, p_action, p_actor)
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF p_action = 'redriven' THEN
    DELETE FROM pipeline.inbox i
    WHERE i.consumer = p_consumer AND i.run_id = '00000000-0000-0000-0000-000000000000' AND i.event_id = p_event_id;
  END IF;
  RETURN true;
END
$$;
COMMENT ON FUNCTION pipeline.take_dead_letter IS 'Takes a letter for this transaction, once and for all: false when somebody else has, or to redrive one about a person who was erased. To redrive it, its worker forgets the event.';
REVOKE EXECUTE ON FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid, text[], text, int, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid, text[], text, int, bigint) TO omnibus_operator;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

DROP FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid, text[], text, int, bigint);
DROP FUNCTION pipeline.is_refused(text[], text, int, bigint);

CREATE FUNCTION pipeline.take_dead_letter(p_letter_id uuid, p_topic text, p_partition int, p_offset bigint, p_action text,
                                          p_actor text, p_consumer text, p_event_id uuid)
RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- Waits for another transaction that is taking the same letter.
  INSERT INTO pipeline.dead_letter_actions (letter_id, topic, partition, letter_offset, consumer, action, actor)
  VALUES (p_letter_id, p_topic, p_partition, p_offset, p_consumer, p_action, p_actor)
  ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN false;
  END IF;
  IF p_action = 'redriven' THEN
    DELETE FROM pipeline.inbox i
    WHERE i.consumer = p_consumer AND i.run_id = '00000000-0000-0000-0000-000000000000' AND i.event_id = p_event_id;
  END IF;
  RETURN true;
END
$$;
COMMENT ON FUNCTION pipeline.take_dead_letter IS 'Takes a letter for this transaction, once and for all: false when somebody else has. To redrive it, its worker forgets the event.';
REVOKE EXECUTE ON FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid) TO omnibus_operator;

RESET ROLE;
