-- A worker's role and what the engine needs of it, in one call from the migration that adds the worker.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.worker_role(p_worker text) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_worker IS NULL OR p_worker !~ '^[a-z][a-z0-9_]{0,40}$' THEN
    RAISE EXCEPTION 'a worker is named by a lower-case letter and at most 40 of a-z, 0-9 and _, not %', quote_nullable(p_worker)
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  IF p_worker IN ('owner', 'replay', 'readonly', 'operator') THEN
    RAISE EXCEPTION 'omnibus_% is no worker''s role', p_worker USING ERRCODE = 'reserved_name';
  END IF;
  RETURN 'omnibus_' || p_worker;
END
$$;
COMMENT ON FUNCTION pipeline.worker_role IS 'The role of the worker of that name; refuses what cannot be one.';

-- With the caller's rights: only one who may create roles and act as the owner can use it.
CREATE FUNCTION pipeline.create_worker(p_worker text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text := pipeline.worker_role(p_worker);
BEGIN
  -- Whoever runs the cluster may have created it, with a password.
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN', v_role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database's migration was faster
    END;
  END IF;
  EXECUTE format('GRANT USAGE ON SCHEMA pipeline TO %I', v_role);
  EXECUTE format('GRANT SELECT, INSERT, UPDATE ON pipeline.fence TO %I', v_role);
  EXECUTE format('GRANT SELECT, INSERT ON pipeline.inbox TO %I', v_role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO %I', v_role);
  EXECUTE format('GRANT SELECT, INSERT, DELETE ON pipeline.outbox TO %I', v_role);
  EXECUTE format('GRANT USAGE ON SEQUENCE pipeline.outbox_id TO %I', v_role);
END
$$;
COMMENT ON FUNCTION pipeline.create_worker IS 'Creates the role omnibus_<worker> where there is none, and grants it what the engine needs.';

CREATE FUNCTION pipeline.drop_worker(p_worker text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text := pipeline.worker_role(p_worker);
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
    RETURN;
  END IF;
  EXECUTE format('REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox FROM %I', v_role);
  EXECUTE format('REVOKE ALL ON SEQUENCE pipeline.outbox_id FROM %I', v_role);
  EXECUTE format('REVOKE ALL ON FUNCTION pipeline.prune_inbox(interval, bigint) FROM %I', v_role);
  EXECUTE format('REVOKE ALL ON SCHEMA pipeline FROM %I', v_role);
  BEGIN
    EXECUTE format('DROP ROLE IF EXISTS %I', v_role);
  EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
    RAISE NOTICE 'role % stays: something in this or another database still names it', v_role;
  END;
END
$$;
COMMENT ON FUNCTION pipeline.drop_worker IS 'Undoes create_worker; the role stays where another database needs it.';

REVOKE EXECUTE ON FUNCTION pipeline.worker_role(text), pipeline.create_worker(text), pipeline.drop_worker(text) FROM PUBLIC;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.drop_worker(text);
DROP FUNCTION pipeline.create_worker(text);
DROP FUNCTION pipeline.worker_role(text);
