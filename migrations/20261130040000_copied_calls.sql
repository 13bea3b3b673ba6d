-- Calls are copied into the partition of their day. PostgreSQL has no COPY into a table with row-level security, and a copy
-- by way of another table costs a third of what a call takes.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE OR REPLACE FUNCTION pipeline.add_telemetry_partition(p_day date) RETURNS void
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
  IF to_regclass('public.' || v_name) IS NOT NULL THEN -- another session has made it meanwhile
    RETURN;
  END IF;
  -- ATTACH lets others read and write meanwhile, where CREATE ... PARTITION OF would not.
  EXECUTE format('CREATE TABLE public.%I (LIKE public.chat_telemetry INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', v_name);
  -- No role but the owner may read it: its rows are read through chat_telemetry, whose policies hold then.
  EXECUTE format('GRANT INSERT ON public.%I TO omnibus_telemetry, omnibus_replay', v_name);
  EXECUTE format('ALTER TABLE public.chat_telemetry ATTACH PARTITION public.%I FOR VALUES FROM (%L) TO (%L)', v_name,
                 p_day::timestamp AT TIME ZONE 'UTC', (p_day + 1)::timestamp AT TIME ZONE 'UTC');
END
$$;

DO $$
DECLARE
  v_name text;
BEGIN
  FOR v_name IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'chat_telemetry'::regclass
  LOOP
    EXECUTE format('DROP POLICY everything ON %I', v_name);
    EXECUTE format('ALTER TABLE %I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', v_name);
    EXECUTE format('GRANT INSERT ON %I TO omnibus_telemetry, omnibus_replay', v_name);
  END LOOP;
END
$$;
COMMENT ON FUNCTION pipeline.stage_calls IS 'For telemetry workers of the version before, while they are being replaced.';

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

COMMENT ON FUNCTION pipeline.stage_calls IS 'Makes the session''s own table that calls are copied into, unless it is there.';

CREATE OR REPLACE FUNCTION pipeline.add_telemetry_partition(p_day date) RETURNS void
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
  IF to_regclass('public.' || v_name) IS NOT NULL THEN -- another session has made it meanwhile
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

DO $$
DECLARE
  v_name text;
BEGIN
  FOR v_name IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = 'chat_telemetry'::regclass
  LOOP
    EXECUTE format('REVOKE INSERT ON %I FROM omnibus_telemetry, omnibus_replay', v_name);
    EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', v_name);
    EXECUTE format('CREATE POLICY everything ON %I TO omnibus_owner USING (true) WITH CHECK (true)', v_name);
  END LOOP;
END
$$;

RESET ROLE;
