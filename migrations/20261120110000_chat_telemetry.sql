-- Every call of a language model, one row each: numbers, never the text of a conversation.

-- migrate:up
DO $$
BEGIN
  CREATE ROLE omnibus_telemetry LOGIN;
EXCEPTION WHEN duplicate_object OR unique_violation THEN
  NULL;
END
$$;

SET LOCAL ROLE omnibus_owner;

-- What the engine needs.
GRANT USAGE ON SCHEMA pipeline TO omnibus_telemetry;
GRANT SELECT, INSERT, UPDATE ON pipeline.fence TO omnibus_telemetry;
GRANT SELECT, INSERT ON pipeline.inbox TO omnibus_telemetry;
GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO omnibus_telemetry;
GRANT SELECT, INSERT, DELETE ON pipeline.outbox TO omnibus_telemetry;
GRANT USAGE ON SEQUENCE pipeline.outbox_id TO omnibus_telemetry;

CREATE TABLE chat_telemetry (
  call_id             uuid          NOT NULL,
  ts                  timestamptz   NOT NULL,
  domain              text          NOT NULL,
  conversation_id     uuid          NOT NULL,
  worker              text          NOT NULL,
  operation           text          NOT NULL,
  provider            text          NOT NULL,
  request_model       text          NOT NULL,
  response_model      text          NOT NULL,
  input_tokens        bigint        NOT NULL,
  output_tokens       bigint        NOT NULL,
  cached_input_tokens bigint        NOT NULL,
  reasoning_tokens    bigint        NOT NULL,
  usage_estimated     boolean       NOT NULL,
  cost_usd            numeric(18,9) NOT NULL,
  price_version       int,
  duration_ms         bigint        NOT NULL,
  ttft_ms             bigint,
  iterations          int,
  tool_calls          int,
  search_calls        int,
  search_zero_results int,
  finish_reason       text          NOT NULL,
  success             boolean       NOT NULL,
  error_type          text,
  fallback_from       text,
  replay_id           uuid
) PARTITION BY RANGE (ts);
COMMENT ON TABLE chat_telemetry IS 'One row per call of a model, keyed by call_id: see pipeline.telemetry_calls.';
COMMENT ON COLUMN chat_telemetry.cost_usd IS 'What the caller computed when it called, which its budget acted on; with a price_version, by that list instead.';
COMMENT ON COLUMN chat_telemetry.price_version IS 'The list of pipeline.llm_prices the cost was computed again by; null: it is the caller''s own.';
COMMENT ON COLUMN chat_telemetry.replay_id IS 'The replay that wrote the row again, a UUIDv5 of its worker and run; null: no replay did.';
CREATE INDEX chat_telemetry_by_time ON chat_telemetry USING brin (ts) WITH (pages_per_range = 16, autosummarize = on);

ALTER TABLE chat_telemetry ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON chat_telemetry TO omnibus_owner, omnibus_telemetry, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON chat_telemetry TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY operator ON chat_telemetry TO omnibus_gateway USING (current_setting('app.role', true) = 'operator');
GRANT SELECT, INSERT ON chat_telemetry TO omnibus_telemetry, omnibus_replay;
GRANT SELECT ON chat_telemetry TO omnibus_gateway, omnibus_readonly;

-- The key of chat_telemetry. A partitioned table can only be unique in columns that include ts, and a call that is told
-- of twice with two times must count once all the same; so the key stands in a table of its own, and the rows need no
-- index on it.
CREATE TABLE pipeline.telemetry_calls (
  call_id uuid PRIMARY KEY,
  day     date NOT NULL
);
COMMENT ON TABLE pipeline.telemetry_calls IS 'The calls that are in chat_telemetry and in its rollups, with the day whose partition holds them.';
CREATE INDEX telemetry_calls_by_day ON pipeline.telemetry_calls USING brin (day) WITH (autosummarize = on);

-- Calls of earlier days were dropped and their keys with them: what comes again from before is refused, not counted twice.
CREATE TABLE pipeline.telemetry_floor (
  day    date    NOT NULL,
  single boolean PRIMARY KEY DEFAULT true CHECK (single)
);
INSERT INTO pipeline.telemetry_floor (day) VALUES ('2020-01-01');
COMMENT ON TABLE pipeline.telemetry_floor IS 'The first day that telemetry keeps.';
GRANT SELECT ON pipeline.telemetry_floor TO omnibus_telemetry, omnibus_replay, omnibus_readonly, omnibus_gateway;

-- With the owner's rights, as the functions below: a worker may add days, and nothing else. Days that no sound clock
-- tells are refused, so that no producer can make it create partitions without end.
CREATE FUNCTION pipeline.add_telemetry_partition(p_day date) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_name text := 'chat_telemetry_' || to_char(p_day, 'YYYYMMDD');
  v_last date := (now() AT TIME ZONE 'UTC')::date + 2;
BEGIN
  IF to_regclass('public.' || v_name) IS NOT NULL THEN
    RETURN;
  END IF;
  IF p_day > v_last OR p_day < (SELECT f.day FROM pipeline.telemetry_floor f) THEN
    RAISE EXCEPTION 'the day is not one that telemetry keeps' USING ERRCODE = 'datetime_field_overflow';
  END IF;
  LOCK TABLE public.chat_telemetry IN SHARE UPDATE EXCLUSIVE MODE; -- one at a time; reading and writing go on
  IF to_regclass('public.' || v_name) IS NOT NULL THEN -- somebody else has made it meanwhile
    RETURN;
  END IF;
  -- ATTACH lets others read and write meanwhile, where CREATE ... PARTITION OF would not.
  EXECUTE format('CREATE TABLE public.%I (LIKE public.chat_telemetry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name);
  -- Reached through chat_telemetry, whose policies hold then; by itself it shows nobody anything.
  EXECUTE format('ALTER TABLE public.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', v_name);
  EXECUTE format('CREATE POLICY everything ON public.%I TO omnibus_owner USING (true) WITH CHECK (true)', v_name);
  EXECUTE format('ALTER TABLE public.chat_telemetry ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', v_name,
                 p_day::timestamp AT TIME ZONE 'UTC', (p_day + 1)::timestamp AT TIME ZONE 'UTC');
END
$$;
REVOKE EXECUTE ON FUNCTION pipeline.add_telemetry_partition(date) FROM PUBLIC;
COMMENT ON FUNCTION pipeline.add_telemetry_partition IS 'Makes the partition of a day unless it is there; from the floor to the day after tomorrow.';

CREATE FUNCTION pipeline.open_telemetry_days(p_days date[]) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- From here on no partition can be dropped, until the transaction ends.
  LOCK TABLE public.chat_telemetry IN ROW EXCLUSIVE MODE;
  -- Tomorrow's and the next are made ahead, so that midnight is a moment like any other.
  PERFORM pipeline.add_telemetry_partition(d.day)
  FROM (SELECT unnest(p_days) UNION SELECT (now() AT TIME ZONE 'UTC')::date + n FROM generate_series(1, 2) n) AS d (day)
  ORDER BY d.day;
END
$$;
COMMENT ON FUNCTION pipeline.open_telemetry_days IS 'Makes the partitions of these days and keeps them until the transaction ends.';
REVOKE EXECUTE ON FUNCTION pipeline.open_telemetry_days(date[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.open_telemetry_days(date[]) TO omnibus_telemetry, omnibus_replay;
-- A transaction that has inserted the key of a call may write its row and add it to the sums. By COPY, which fails when
-- one of the keys is there, or by INSERT ... ON CONFLICT DO NOTHING RETURNING.
GRANT SELECT, INSERT ON pipeline.telemetry_calls TO omnibus_telemetry, omnibus_replay;

CREATE FUNCTION pipeline.stage_calls() RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  IF to_regclass('pg_temp.staged_calls') IS NULL THEN
    CREATE TEMPORARY TABLE staged_calls (LIKE public.chat_telemetry) ON COMMIT DELETE ROWS;
  END IF;
END
$$;
COMMENT ON FUNCTION pipeline.stage_calls IS 'Makes the session''s own table that calls are copied into, unless it is there.';

CREATE FUNCTION pipeline.drop_telemetry_before(p_day date) RETURNS int
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_name    text;
  v_dropped int := 0;
BEGIN
  IF p_day > (now() AT TIME ZONE 'UTC')::date THEN
    RAISE EXCEPTION 'today is before %, and its calls are still coming', p_day USING ERRCODE = 'invalid_parameter_value';
  END IF;
  LOCK TABLE public.chat_telemetry IN ACCESS EXCLUSIVE MODE;
  UPDATE pipeline.telemetry_floor f SET day = greatest(f.day, p_day);
  FOR v_name IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'public.chat_telemetry'::regclass
      AND c.relname < 'chat_telemetry_' || to_char(p_day, 'YYYYMMDD') ORDER BY 1
  LOOP
    EXECUTE format('DROP TABLE public.%I', v_name);
    v_dropped := v_dropped + 1;
  END LOOP;
  DELETE FROM pipeline.telemetry_calls WHERE day < p_day;
  RETURN v_dropped;
END
$$;
COMMENT ON FUNCTION pipeline.drop_telemetry_before IS 'Forgets the calls of all days before p_day and returns how many days those were. Their rollups stay.';
REVOKE EXECUTE ON FUNCTION pipeline.drop_telemetry_before(date) FROM PUBLIC;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.drop_telemetry_before(date);
DROP FUNCTION pipeline.stage_calls();
DROP FUNCTION pipeline.open_telemetry_days(date[]);
DROP FUNCTION pipeline.add_telemetry_partition(date);
DROP TABLE pipeline.telemetry_floor;
DROP TABLE pipeline.telemetry_calls;
DROP TABLE chat_telemetry;
REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox FROM omnibus_telemetry;
REVOKE ALL ON SEQUENCE pipeline.outbox_id FROM omnibus_telemetry;
REVOKE ALL ON FUNCTION pipeline.prune_inbox(interval, bigint) FROM omnibus_telemetry;
REVOKE USAGE ON SCHEMA pipeline FROM omnibus_telemetry;

DO $$
BEGIN
  DROP ROLE IF EXISTS omnibus_telemetry;
EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
  RAISE NOTICE 'role omnibus_telemetry stays: another database needs it';
END
$$;
