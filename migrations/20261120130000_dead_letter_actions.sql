-- What operators did with dead letters. The row is the compare-and-set: whoever inserts it may act, nobody else can.

-- migrate:up
DO $$
BEGIN
  CREATE ROLE omnibus_operator LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.dead_letter_actions (
  letter_id        uuid        PRIMARY KEY,
  topic            text        NOT NULL,
  partition        int         NOT NULL,
  letter_offset    bigint      NOT NULL,
  consumer         text        NOT NULL,
  action           text        NOT NULL CHECK (action IN ('redriven', 'dropped')),
  actor            text        NOT NULL,
  role             name        NOT NULL DEFAULT session_user,
  at               timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pipeline.dead_letter_actions IS 'One row per dead letter that was sent again or dropped; letters without one are open.';
COMMENT ON COLUMN pipeline.dead_letter_actions.letter_id IS 'Its header error.id: a letter that was published twice is one letter.';
CREATE INDEX dead_letter_actions_by_topic ON pipeline.dead_letter_actions (topic, partition);

-- With the owner's rights: an operator forgets that an event was processed only together with the one row that a letter
-- can have, and nobody can delete other rows of the inbox.
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

GRANT USAGE ON SCHEMA pipeline TO omnibus_operator;
GRANT EXECUTE ON FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid) TO omnibus_operator;
GRANT SELECT ON pipeline.dead_letter_actions TO omnibus_operator, omnibus_readonly;
GRANT SELECT ON pipeline.inbox, pipeline.fence TO omnibus_operator;
GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.outbox TO omnibus_operator; -- UPDATE: it locks the rows it publishes
GRANT USAGE ON SEQUENCE pipeline.outbox_id TO omnibus_operator;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.take_dead_letter(uuid, text, int, bigint, text, text, text, uuid);
DROP TABLE pipeline.dead_letter_actions;
REVOKE ALL ON pipeline.inbox, pipeline.fence, pipeline.outbox FROM omnibus_operator;
REVOKE ALL ON SEQUENCE pipeline.outbox_id FROM omnibus_operator;
REVOKE USAGE ON SCHEMA pipeline FROM omnibus_operator;

DO $$
BEGIN
  DROP ROLE IF EXISTS omnibus_operator;
EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
  RAISE NOTICE 'role omnibus_operator stays: another database needs it';
END
$$;
