-- Outbox rows that the broker refuses are set aside, and dead letters that are too large for their topic keep their record here.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE pipeline.outbox
  ADD COLUMN attempts   int NOT NULL DEFAULT 0,
  ADD COLUMN not_before timestamptz,
  ADD COLUMN refused    text;
COMMENT ON COLUMN pipeline.outbox.attempts IS 'How often the broker refused the record.';
COMMENT ON COLUMN pipeline.outbox.not_before IS 'When the relay tries a refused record again; NULL: omnibus dlq redrive --refused does.';
COMMENT ON COLUMN pipeline.outbox.refused IS 'Why the broker refuses the record; NULL for a row that is to be published.';
-- What an owner of a partition left behind.
CREATE INDEX outbox_unpublished ON pipeline.outbox (consumer, source_topic, source_partition, id) WHERE refused IS NULL;
CREATE INDEX outbox_refused ON pipeline.outbox (created_at) WHERE refused IS NOT NULL;

CREATE TABLE pipeline.parked_records (
  letter_id uuid        PRIMARY KEY,
  topic     text        NOT NULL,
  key       bytea,
  headers   bytea       NOT NULL,
  value     bytea,
  subjects  text[]      NOT NULL DEFAULT '{}',
  parked_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE pipeline.parked_records IS 'The whole record of each dead letter that has a header error.truncated, because it is too large for its topic.';
COMMENT ON COLUMN pipeline.parked_records.letter_id IS 'Its header error.id.';
COMMENT ON COLUMN pipeline.parked_records.topic IS 'Of the record, not of its letter.';
COMMENT ON COLUMN pipeline.parked_records.headers IS 'As in pipeline.outbox.';
COMMENT ON COLUMN pipeline.parked_records.subjects IS 'Whom the record is about.';
CREATE INDEX parked_records_by_age ON pipeline.parked_records (parked_at);
CREATE INDEX parked_records_by_subject ON pipeline.parked_records USING gin (subjects);

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
  EXECUTE format('GRANT SELECT, INSERT, DELETE, UPDATE (attempts, not_before, refused) ON pipeline.outbox TO %I', v_role);
  EXECUTE format('GRANT INSERT ON pipeline.parked_records TO %I', v_role);
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
  EXECUTE format('REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox, pipeline.parked_records FROM %I', v_role);
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

DO $$
DECLARE
  v_role name;
BEGIN
  FOR v_role IN SELECT r.rolname FROM pg_roles r
                WHERE r.rolname LIKE 'omnibus\_%' AND NOT r.rolsuper AND r.rolname <> 'omnibus_owner'
                  AND has_table_privilege(r.oid, 'pipeline.outbox', 'INSERT') LOOP
    EXECUTE format('GRANT UPDATE (attempts, not_before, refused) ON pipeline.outbox TO %I', v_role);
    EXECUTE format('GRANT INSERT ON pipeline.parked_records TO %I', v_role);
  END LOOP;
END
$$;
GRANT SELECT, DELETE ON pipeline.parked_records TO omnibus_operator, omnibus_gdpr;
GRANT SELECT ON pipeline.parked_records TO omnibus_readonly;

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

DO $$
DECLARE
  v_role name;
BEGIN
  FOR v_role IN SELECT r.rolname FROM pg_roles r
                WHERE r.rolname LIKE 'omnibus\_%' AND NOT r.rolsuper AND r.rolname <> 'omnibus_owner'
                  AND has_table_privilege(r.oid, 'pipeline.outbox', 'INSERT') LOOP
    EXECUTE format('REVOKE UPDATE (attempts, not_before, refused) ON pipeline.outbox FROM %I', v_role);
  END LOOP;
END
$$;
DROP TABLE pipeline.parked_records;
DROP INDEX pipeline.outbox_refused, pipeline.outbox_unpublished;
ALTER TABLE pipeline.outbox DROP COLUMN refused, DROP COLUMN not_before, DROP COLUMN attempts;

RESET ROLE;
