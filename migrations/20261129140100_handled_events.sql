-- How the gateway learns what became of an event that it published: the inbox also says with which class it was parked.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE pipeline.inbox ADD COLUMN error_class text;
COMMENT ON COLUMN pipeline.inbox.error_class IS 'Of an event that was parked as a dead letter: the letter''s class.';

DO $$
DECLARE
  worker name;
BEGIN
  FOR worker IN
    SELECT DISTINCT r.rolname
    FROM pg_class c, aclexplode(c.relacl) AS a JOIN pg_roles r ON r.oid = a.grantee
    WHERE c.oid = 'pipeline.inbox'::regclass AND a.privilege_type = 'INSERT'
      AND r.rolname NOT IN ('omnibus_owner', 'omnibus_replay')
    ORDER BY 1
  LOOP
    EXECUTE format('GRANT UPDATE (error_class) ON pipeline.inbox TO %I', worker);
  END LOOP;
END
$$;

-- With the owner's rights: the gateway learns of an event whose key it knows, and cannot list others.
CREATE FUNCTION pipeline.handled(p_worker text, p_event_key uuid) RETURNS TABLE (error_class text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT i.error_class FROM pipeline.inbox i
  WHERE i.consumer = p_worker AND i.run_id = '00000000-0000-0000-0000-000000000000' AND i.event_id = p_event_key;
END;
COMMENT ON FUNCTION pipeline.handled IS 'A row once the worker has handled the event; its error_class is NULL, or that of the dead letter it was parked as.';
REVOKE EXECUTE ON FUNCTION pipeline.handled(text, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.handled(text, uuid) TO omnibus_gateway;

CREATE OR REPLACE FUNCTION pipeline.create_worker(p_worker text) RETURNS void
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
  EXECUTE format('GRANT SELECT, INSERT, UPDATE (error_class) ON pipeline.inbox TO %I', v_role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO %I', v_role);
  EXECUTE format('GRANT SELECT, INSERT, DELETE ON pipeline.outbox TO %I', v_role);
  EXECUTE format('GRANT USAGE ON SEQUENCE pipeline.outbox_id TO %I', v_role);
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

CREATE OR REPLACE FUNCTION pipeline.create_worker(p_worker text) RETURNS void
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

DROP FUNCTION pipeline.handled(text, uuid);
ALTER TABLE pipeline.inbox DROP COLUMN error_class;

RESET ROLE;
