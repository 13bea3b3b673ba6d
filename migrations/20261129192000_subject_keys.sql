-- The keys that personal fields of events are sealed with, where a tenant's log is sealed. Who destroys a person's keys
-- makes everything unreadable that was sealed with them.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.subject_keys (
  key_id        uuid        PRIMARY KEY,
  subject_key   subject_key NOT NULL,
  domain        text        NOT NULL,
  wrapped_key   bytea,
  master_key_id text        CHECK (master_key_id ~ '^[0-9a-f]{16}$'),
  created_at    timestamptz NOT NULL DEFAULT now(),
  destroyed_at  timestamptz,
  CHECK ((wrapped_key IS NULL) = (destroyed_at IS NOT NULL)),
  CHECK ((master_key_id IS NULL) = (destroyed_at IS NOT NULL))
);
COMMENT ON TABLE pipeline.subject_keys IS 'One key per person, under each subject key that events are sealed for. Of a destroyed key the row stays: its records are those of an erased person, and an unknown key id is an outage.';
COMMENT ON COLUMN pipeline.subject_keys.wrapped_key IS 'The key, sealed by a master key that is not in the database. NULL once it is destroyed.';
COMMENT ON COLUMN pipeline.subject_keys.master_key_id IS 'Which master key: a keyed hash of it.';
-- Only the functions below reach it.
ALTER TABLE pipeline.subject_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON pipeline.subject_keys TO omnibus_owner USING (true) WITH CHECK (true);
CREATE UNIQUE INDEX subject_keys_live ON pipeline.subject_keys (subject_key) WHERE destroyed_at IS NULL;
CREATE INDEX subject_keys_by_master_key ON pipeline.subject_keys (master_key_id, key_id) WHERE destroyed_at IS NULL;
CREATE INDEX tenants_sealed ON tenants (domain) WHERE settings -> 'privacy_preferences' ->> 'log' = 'sealed';

CREATE FUNCTION pipeline.sealed_tenants() RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT t.domain FROM tenants t WHERE t.settings -> 'privacy_preferences' ->> 'log' = 'sealed';
END;
COMMENT ON FUNCTION pipeline.sealed_tenants IS 'The tenants whose personal fields are sealed in the log.';

CREATE FUNCTION pipeline.unknown_master_key(p_known text[]) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT k.master_key_id FROM pipeline.subject_keys k
  WHERE k.destroyed_at IS NULL AND k.master_key_id <> ALL (p_known) LIMIT 1;
END;
COMMENT ON FUNCTION pipeline.unknown_master_key IS 'A master key that some person''s key needs and that is none of these; NULL when all keys can be opened.';

CREATE FUNCTION pipeline.read_subject_keys(p_key_ids uuid[])
RETURNS TABLE (key_id uuid, subject_key text, domain text, wrapped_key bytea, master_key_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT k.key_id, k.subject_key::text, k.domain, k.wrapped_key, k.master_key_id
  FROM pipeline.subject_keys k WHERE k.key_id = ANY (p_key_ids);
END;
COMMENT ON FUNCTION pipeline.read_subject_keys IS 'Keys by their ids; without wrapped_key those that were destroyed.';

CREATE FUNCTION pipeline.take_subject_key(
  p_subject_key text, p_domain text, p_new_key_id uuid, p_new_wrapped_key bytea, p_master_key_id text,
  OUT key_id uuid, OUT domain text, OUT wrapped_key bytea, OUT master_key_id text, OUT committed boolean)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
BEGIN
  LOOP
    SELECT k.key_id, k.domain, k.wrapped_key, k.master_key_id, k.created_at <> now()
    INTO take_subject_key.key_id, take_subject_key.domain, take_subject_key.wrapped_key,
         take_subject_key.master_key_id, take_subject_key.committed
    FROM pipeline.subject_keys k WHERE k.subject_key = p_subject_key AND k.destroyed_at IS NULL;
    EXIT WHEN FOUND;
    -- Waits for another transaction that makes one; if that key is destroyed meanwhile, it tries again.
    INSERT INTO pipeline.subject_keys (key_id, subject_key, domain, wrapped_key, master_key_id)
    VALUES (p_new_key_id, p_subject_key, p_domain, p_new_wrapped_key, p_master_key_id)
    ON CONFLICT (subject_key) WHERE destroyed_at IS NULL DO NOTHING;
  END LOOP;
END
$$;
COMMENT ON FUNCTION pipeline.take_subject_key IS 'The key of a person, or the new one where there is none. `committed` is false for a key that this transaction made: it must not be used after a rollback.';

CREATE FUNCTION pipeline.destroy_subject_keys(p_keys text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_destroyed bigint;
BEGIN
  UPDATE pipeline.subject_keys k SET wrapped_key = NULL, master_key_id = NULL, destroyed_at = clock_timestamp()
  WHERE k.subject_key = ANY (p_keys) AND k.destroyed_at IS NULL;
  GET DIAGNOSTICS v_destroyed = ROW_COUNT;
  RETURN v_destroyed;
END
$$;
COMMENT ON FUNCTION pipeline.destroy_subject_keys IS 'Destroys the keys of an erased person and returns their number. Call it after pipeline.begin_erasure, not after pipeline.set_erasure_positions.';

CREATE FUNCTION pipeline.subject_keys_to_rewrap(p_master_key_id text, p_after uuid, p_most int)
RETURNS TABLE (key_id uuid, subject_key text, domain text, wrapped_key bytea, master_key_id text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT k.key_id, k.subject_key::text, k.domain, k.wrapped_key, k.master_key_id FROM pipeline.subject_keys k
  WHERE k.destroyed_at IS NULL AND k.master_key_id = p_master_key_id
    AND k.key_id > COALESCE(p_after, '00000000-0000-0000-0000-000000000000')
  ORDER BY k.key_id LIMIT p_most;
END;

CREATE FUNCTION pipeline.rewrap_subject_key(p_key_id uuid, p_from text, p_wrapped_key bytea, p_to text) RETURNS boolean
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  UPDATE pipeline.subject_keys k SET wrapped_key = p_wrapped_key, master_key_id = p_to
  WHERE k.key_id = p_key_id AND k.master_key_id = p_from AND k.destroyed_at IS NULL;
  RETURN FOUND;
END
$$;
COMMENT ON FUNCTION pipeline.rewrap_subject_key IS 'Replaces the wrapping of a key. False when it was destroyed or rewrapped meanwhile.';

CREATE FUNCTION pipeline.audit_sealing(p_domain text, p_actor text, p_action text, p_payload jsonb) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  IF p_action NOT IN ('sealing.opened', 'sealing.rekeyed') THEN
    RAISE EXCEPTION 'no action of sealing' USING ERRCODE = 'invalid_parameter_value';
  END IF;
  INSERT INTO public.gdpr_audit_log (domain, actor, action, status, payload)
  VALUES (p_domain, p_actor, p_action, 'completed', p_payload);
END
$$;
COMMENT ON FUNCTION pipeline.audit_sealing IS 'Writes down that an operator opened sealed fields of a tenant, or rewrapped its keys.';

REVOKE EXECUTE ON FUNCTION pipeline.sealed_tenants(), pipeline.unknown_master_key(text[]),
  pipeline.read_subject_keys(uuid[]), pipeline.take_subject_key(text, text, uuid, bytea, text),
  pipeline.destroy_subject_keys(text[]), pipeline.subject_keys_to_rewrap(text, uuid, int),
  pipeline.rewrap_subject_key(uuid, text, bytea, text), pipeline.audit_sealing(text, text, text, jsonb) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.destroy_subject_keys(text[]) TO omnibus_gdpr;
GRANT EXECUTE ON FUNCTION pipeline.sealed_tenants(), pipeline.unknown_master_key(text[]),
  pipeline.read_subject_keys(uuid[]) TO omnibus_operator, omnibus_replay;
GRANT EXECUTE ON FUNCTION pipeline.subject_keys_to_rewrap(text, uuid, int),
  pipeline.rewrap_subject_key(uuid, text, bytea, text), pipeline.audit_sealing(text, text, text, jsonb)
  TO omnibus_operator;

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
  EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.sealed_tenants(), pipeline.unknown_master_key(text[]),'
                 ' pipeline.read_subject_keys(uuid[]), pipeline.take_subject_key(text, text, uuid, bytea, text) TO %I', v_role);
END
$$;

CREATE OR REPLACE FUNCTION pipeline.drop_worker(p_worker text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_role text := pipeline.worker_role(p_worker);
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = v_role) THEN
    RETURN;
  END IF;
  EXECUTE format('REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox FROM %I', v_role);
  EXECUTE format('REVOKE ALL ON SEQUENCE pipeline.outbox_id FROM %I', v_role);
  EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA pipeline FROM %I', v_role);
  EXECUTE format('REVOKE ALL ON SCHEMA pipeline FROM %I', v_role);
  BEGIN
    EXECUTE format('DROP ROLE IF EXISTS %I', v_role);
  EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
    RAISE NOTICE 'role % stays: something in this or another database still names it', v_role;
  END;
END
$$;

-- The roles of the workers so far.
DO $$
DECLARE
  v_role text;
BEGIN
  FOR v_role IN
    SELECT DISTINCT a.grantee::regrole::text FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.oid = 'pipeline.fence'::regclass AND a.privilege_type = 'INSERT' AND a.grantee <> c.relowner
    UNION SELECT 'omnibus_gateway'
  LOOP
    EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.sealed_tenants(), pipeline.unknown_master_key(text[]),'
                   ' pipeline.read_subject_keys(uuid[]), pipeline.take_subject_key(text, text, uuid, bytea, text) TO %s',
                   v_role);
  END LOOP;
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
  EXECUTE format('GRANT SELECT, INSERT, UPDATE (error_class) ON pipeline.inbox TO %I', v_role);
  EXECUTE format('GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO %I', v_role);
  EXECUTE format('GRANT SELECT, INSERT, DELETE ON pipeline.outbox TO %I', v_role);
  EXECUTE format('GRANT USAGE ON SEQUENCE pipeline.outbox_id TO %I', v_role);
END
$$;

CREATE OR REPLACE FUNCTION pipeline.drop_worker(p_worker text) RETURNS void
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

DROP FUNCTION pipeline.audit_sealing(text, text, text, jsonb);
DROP FUNCTION pipeline.rewrap_subject_key(uuid, text, bytea, text);
DROP FUNCTION pipeline.subject_keys_to_rewrap(text, uuid, int);
DROP FUNCTION pipeline.destroy_subject_keys(text[]);
DROP FUNCTION pipeline.take_subject_key(text, text, uuid, bytea, text);
DROP FUNCTION pipeline.read_subject_keys(uuid[]);
DROP FUNCTION pipeline.unknown_master_key(text[]);
DROP FUNCTION pipeline.sealed_tenants();
DROP INDEX tenants_sealed;
DROP TABLE pipeline.subject_keys;

RESET ROLE;
