-- Events that are deferred for long wait here instead of in a worker's memory, and so do the later ones of their keys.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Places only: the records stay on their topics.
CREATE TABLE pipeline.deferred_records (
  consumer        text        NOT NULL,
  topic           text        NOT NULL,
  partition       int         NOT NULL,
  record_offset   bigint      NOT NULL,
  record_ms       bigint      NOT NULL,
  record_bytes    int         NOT NULL,
  key_hash        bigint      NOT NULL,
  due_at          timestamptz NOT NULL,
  attempts        int         NOT NULL,
  deferrals       int         NOT NULL,
  arrived_at      timestamptz NOT NULL,
  first_failed_at timestamptz,
  PRIMARY KEY (consumer, topic, partition, record_offset)
);
COMMENT ON TABLE pipeline.deferred_records IS 'Records that a worker has read and not handled yet: those that it deferred for long, and later ones of their keys.';
COMMENT ON COLUMN pipeline.deferred_records.record_ms IS 'The record''s own time, in ms since 1970: another record may be at this offset if the topic was made anew.';
COMMENT ON COLUMN pipeline.deferred_records.key_hash IS 'The lane of the record''s key, of 64 bits.';
COMMENT ON COLUMN pipeline.deferred_records.due_at IS 'Of the first record of a key: when it is tried again. Of the others: that of the first when they arrived.';
COMMENT ON COLUMN pipeline.deferred_records.arrived_at IS 'When a worker read it first.';
CREATE INDEX deferred_records_by_key ON pipeline.deferred_records (consumer, topic, partition, key_hash, record_offset);
-- Rows come and go; the rest of the table is small.
ALTER TABLE pipeline.deferred_records SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000,
  autovacuum_vacuum_insert_scale_factor = 0.01, autovacuum_vacuum_insert_threshold = 10000,
  autovacuum_analyze_scale_factor = 0.02, autovacuum_analyze_threshold = 1000);

-- Times are given relative to now, in ms: a worker's clock may be wrong.
CREATE FUNCTION pipeline.defer_records(p_consumer text, p_topics text[], p_partitions int[], p_epochs bigint[],
                                       p_claims int[], p_offsets bigint[], p_record_ms bigint[], p_bytes int[], p_keys bigint[],
                                       p_due_in bigint[], p_attempts int[], p_deferrals int[], p_arrived bigint[], p_failed bigint[])
RETURNS int[]
LANGUAGE plpgsql VOLATILE AS $$
DECLARE
  v_owned int[];
BEGIN
  PERFORM pg_advisory_xact_lock_shared(c.key)
  FROM (SELECT DISTINCT pipeline.claim_key(p_consumer, topic, partition) AS key
        FROM unnest(p_topics, p_partitions) AS claimed (topic, partition) ORDER BY key) AS c;
  SELECT COALESCE(array_agg(c.ordinal::int), '{}') INTO v_owned
  FROM unnest(p_topics, p_partitions, p_epochs) WITH ORDINALITY AS c (topic, partition, epoch, ordinal)
  JOIN pipeline.fence f
    ON f.consumer = p_consumer AND f.topic = c.topic AND f.partition = c.partition AND f.epoch = c.epoch;
  -- A record that comes again may be here already; its row tells what it went through.
  INSERT INTO pipeline.deferred_records AS d
  SELECT DISTINCT ON (r.claim, r.record_offset)
         p_consumer, p_topics[r.claim], p_partitions[r.claim], r.record_offset, r.record_ms, r.bytes, r.key,
         now() + r.due_in * interval '1 ms', r.attempts, r.deferrals, now() - r.arrived * interval '1 ms',
         now() - NULLIF(r.failed, -1) * interval '1 ms'
  FROM unnest(p_claims, p_offsets, p_record_ms, p_bytes, p_keys, p_due_in, p_attempts, p_deferrals, p_arrived, p_failed)
    AS r (claim, record_offset, record_ms, bytes, key, due_in, attempts, deferrals, arrived, failed)
  WHERE r.claim = ANY (v_owned)
  ORDER BY r.claim, r.record_offset, r.deferrals DESC
  ON CONFLICT (consumer, topic, partition, record_offset) DO UPDATE
  SET record_ms = excluded.record_ms, record_bytes = excluded.record_bytes, key_hash = excluded.key_hash,
      due_at = excluded.due_at, attempts = excluded.attempts, deferrals = excluded.deferrals,
      arrived_at = excluded.arrived_at, first_failed_at = excluded.first_failed_at
  WHERE excluded.deferrals > 0 OR d.record_ms <> excluded.record_ms;
  RETURN v_owned;
END
$$;
COMMENT ON FUNCTION pipeline.defer_records IS 'p_failed is -1 for what did not fail yet. Writes the records of the partitions, by number, that are the caller''s, and returns the numbers of these.';

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
  EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.deferred_records TO %I', v_role);
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
  EXECUTE format('REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox, pipeline.parked_records,'
                 ' pipeline.deferred_records FROM %I', v_role);
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
                WHERE r.rolname LIKE 'omnibus\_%' AND NOT r.rolsuper AND r.rolname NOT IN ('omnibus_owner', 'omnibus_replay')
                  AND has_table_privilege(r.oid, 'pipeline.fence', 'INSERT') LOOP
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON pipeline.deferred_records TO %I', v_role);
  END LOOP;
END
$$;
GRANT SELECT ON pipeline.deferred_records TO omnibus_operator, omnibus_readonly;
GRANT SELECT, DELETE ON pipeline.deferred_records TO omnibus_gdpr;

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

DROP FUNCTION pipeline.defer_records(text, text[], int[], bigint[], int[], bigint[], bigint[], int[], bigint[], bigint[], int[], int[], bigint[], bigint[]);
DROP TABLE pipeline.deferred_records;
RESET ROLE;
