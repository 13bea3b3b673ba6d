-- Who was erased, and up to where in the log. Admission refuses what is about them and stands before that.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.erasures (
  subject_key subject_key PRIMARY KEY,
  domain      text        NOT NULL,
  request_id  uuid        NOT NULL,
  erased_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  positions   jsonb       CHECK (jsonb_typeof(positions) = 'object'),
  for_good    boolean     NOT NULL DEFAULT false
);
COMMENT ON TABLE pipeline.erasures IS 'One row per key of an erased person. Admission refuses records about them that stand before `positions`; while these are NULL, the erasure runs, and records about them wait.';
COMMENT ON COLUMN pipeline.erasures.erased_at IS 'When the row was last changed; workers poll by it.';
COMMENT ON COLUMN pipeline.erasures.positions IS '{topic: {partition: offset}}: the end of each partition at the erasure.';
COMMENT ON COLUMN pipeline.erasures.for_good IS 'Of a key that never returns, such as a profile''s: refused at every position.';
CREATE INDEX erasures_by_time ON pipeline.erasures (erased_at);
-- Every process must know whom to refuse, of any tenant; a key does not reveal who it is.
ALTER TABLE pipeline.erasures ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON pipeline.erasures TO omnibus_owner USING (true) WITH CHECK (true);
CREATE POLICY known_to_all ON pipeline.erasures FOR SELECT USING (true);

CREATE FUNCTION pipeline.subject_lock(p_subject_key text) RETURNS bigint
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN hashtextextended('subject' || chr(10) || p_subject_key, 0);
COMMENT ON FUNCTION pipeline.subject_lock IS 'The advisory lock of a person: shared by transactions that write about them, exclusive while their erasure begins.';

-- With the owner's rights: the gdpr worker begins erasures, and can neither end nor change one.
CREATE FUNCTION pipeline.begin_erasure(p_request_id uuid, p_domain text, p_keys text[], p_for_good text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_key text;
BEGIN
  -- Waits for every transaction that is writing about them. The same order as in admission, so that none deadlocks.
  FOR v_key IN SELECT DISTINCT k COLLATE "C" AS k FROM unnest(p_keys || p_for_good) AS k ORDER BY k LOOP
    PERFORM pg_advisory_xact_lock(pipeline.subject_lock(v_key));
  END LOOP;
  INSERT INTO pipeline.erasures AS e (subject_key, domain, request_id, for_good)
  SELECT k, p_domain, p_request_id, bool_or(g)
  FROM (SELECT unnest(p_keys) AS k, false AS g UNION ALL SELECT unnest(p_for_good), true) AS keys
  GROUP BY k ORDER BY k
  -- A person who came back is erased again. The same request leaves its rows as they are.
  ON CONFLICT (subject_key) DO UPDATE
  SET domain = excluded.domain, request_id = excluded.request_id, erased_at = clock_timestamp(), positions = NULL,
      for_good = e.for_good OR excluded.for_good
  WHERE e.request_id <> excluded.request_id;
END
$$;
COMMENT ON FUNCTION pipeline.begin_erasure IS 'Begins to erase a person with these keys: waits for what is being written about them, and lets what comes wait. Keys of p_for_good are refused at every position.';

CREATE FUNCTION pipeline.set_erasure_positions(p_keys text[], p_positions jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_positions IS NULL OR jsonb_typeof(p_positions) <> 'object' OR p_positions @? '$.* ? (@.type() != "object")'
     OR p_positions @? '$.*.* ? (@.type() != "number")' THEN
    RAISE EXCEPTION 'positions are {topic: {partition: offset}}' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  UPDATE pipeline.erasures SET positions = p_positions, erased_at = clock_timestamp()
  WHERE subject_key = ANY (p_keys) AND positions IS NULL;
END
$$;
COMMENT ON FUNCTION pipeline.set_erasure_positions IS 'Refuses from now on what is about these keys and stands before these positions, and lets the rest pass. Positions that are set stay.';

CREATE FUNCTION pipeline.refusal(p_subject text, p_topic text, p_partition int, p_offset bigint) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
  v_erasure pipeline.erasures;
BEGIN
  SELECT * INTO v_erasure FROM pipeline.erasures e WHERE e.subject_key = p_subject;
  RETURN CASE
    WHEN NOT FOUND THEN NULL
    WHEN v_erasure.for_good OR p_offset < (v_erasure.positions #>> ARRAY[p_topic, p_partition::text])::bigint THEN 'erased'
    WHEN v_erasure.positions IS NULL THEN 'erasing'
  END;
END
$$;
COMMENT ON FUNCTION pipeline.refusal IS 'Whether a record about this person is refused: `erased` for good, `erasing` until their erasure has positions, NULL for neither. The position is the record''s first one.';

REVOKE EXECUTE ON FUNCTION pipeline.begin_erasure(uuid, text, text[], text[]),
                           pipeline.set_erasure_positions(text[], jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.begin_erasure(uuid, text, text[], text[]),
                          pipeline.set_erasure_positions(text[], jsonb) TO omnibus_gdpr;
GRANT SELECT ON pipeline.erasures TO PUBLIC; -- to all who may use the schema: each admits with its own rights

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.refusal(text, text, int, bigint);
DROP FUNCTION pipeline.set_erasure_positions(text[], jsonb);
DROP FUNCTION pipeline.begin_erasure(uuid, text, text[], text[]);
DROP FUNCTION pipeline.subject_lock(text);
DROP TABLE pipeline.erasures;
