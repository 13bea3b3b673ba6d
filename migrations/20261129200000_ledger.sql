-- The ledger of erasures: what a database that was restored from a backup would have forgotten. Each change is written here
-- by a trigger, in the transaction that makes it, and the relay publishes it to the topic gdpr.ledger, which deletes nothing.
-- An entry has keys, ids, times and positions; no text, number or name.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE SEQUENCE pipeline.ledger_sequence AS bigint;
CREATE TABLE pipeline.ledger (
  id           uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  sequence     bigint      NOT NULL DEFAULT nextval('pipeline.ledger_sequence'),
  domain       text        NOT NULL,
  kind         text        NOT NULL
               CHECK (kind IN ('erasures', 'gdpr_requests', 'suppressions', 'legal_holds', 'consents', 'subject_keys')),
  facts        jsonb       NOT NULL CHECK (jsonb_typeof(facts) = 'object'),
  recorded_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  published_at timestamptz
);
ALTER SEQUENCE pipeline.ledger_sequence OWNED BY pipeline.ledger.sequence;
COMMENT ON TABLE pipeline.ledger IS 'The entries of gdpr.ledger that this database contains. One that is in the topic and not here tells that the database is older than the ledger.';
COMMENT ON COLUMN pipeline.ledger.sequence IS 'The order of entries about one row. Two databases of different history may give the same number: compare ids.';
COMMENT ON COLUMN pipeline.ledger.kind IS 'The table that changed.';
COMMENT ON COLUMN pipeline.ledger.facts IS 'What its row is now, or with `gone` what it was.';
COMMENT ON COLUMN pipeline.ledger.published_at IS 'NULL: the relay has not published it yet.';
CREATE INDEX ledger_by_sequence ON pipeline.ledger (sequence);
CREATE INDEX ledger_unpublished ON pipeline.ledger (sequence) WHERE published_at IS NULL;
ALTER TABLE pipeline.ledger ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON pipeline.ledger TO omnibus_owner, omnibus_relay, omnibus_readonly USING (true) WITH CHECK (true);
GRANT SELECT, UPDATE (published_at) ON pipeline.ledger TO omnibus_relay;
GRANT SELECT ON pipeline.ledger TO omnibus_readonly;

ALTER TABLE gdpr_requests ADD COLUMN reapplied boolean NOT NULL DEFAULT false;
COMMENT ON COLUMN gdpr_requests.reapplied IS 'A deletion that is done again after the database was restored. Until it has ended, only the gdpr worker runs.';
CREATE INDEX gdpr_requests_reapplied ON gdpr_requests (id) WHERE reapplied AND status IN ('received', 'running', 'failed');

-- With the owner's rights: whoever changes such a row writes an entry, and nobody writes one otherwise.
CREATE FUNCTION pipeline.note_row() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_row jsonb;
BEGIN
  IF TG_OP = 'DELETE' THEN
    v_row := to_jsonb(OLD) || '{"gone": true}';
  ELSE
    v_row := to_jsonb(NEW);
  END IF;
  INSERT INTO pipeline.ledger (domain, kind, facts)
  VALUES (v_row ->> 'domain', TG_TABLE_NAME, v_row - COALESCE(TG_ARGV, '{}'));
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION pipeline.note_row IS 'Writes an entry about a row, without the columns that are named.';

CREATE FUNCTION pipeline.note_erasures() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  -- A person may have many keys: not more in one entry than a record holds.
  INSERT INTO pipeline.ledger (domain, kind, facts)
  SELECT c.domain, 'erasures',
         jsonb_build_object('request_id', c.request_id, 'positions', c.positions, 'for_good', c.for_good,
                            'erased_at', max(c.erased_at), 'subject_keys', jsonb_agg(c.subject_key))
  FROM (SELECT n.*, (row_number() OVER (PARTITION BY n.request_id) - 1) / 5000 AS part FROM changed n) AS c
  GROUP BY c.domain, c.request_id, c.positions, c.for_good, c.part;
  RETURN NULL;
END
$$;

CREATE TRIGGER ledger_of_new AFTER INSERT ON pipeline.erasures REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION pipeline.note_erasures();
CREATE TRIGGER ledger_of_changed AFTER UPDATE ON pipeline.erasures REFERENCING NEW TABLE AS changed
  FOR EACH STATEMENT EXECUTE FUNCTION pipeline.note_erasures();
CREATE TRIGGER ledger_of_requested AFTER INSERT ON gdpr_requests
  FOR EACH ROW WHEN (NEW.kind = 'delete' AND NOT NEW.dry_run)
  EXECUTE FUNCTION pipeline.note_row('counts', 'error', 'status', 'held_until', 'completed_at', 'log_clear_at', 'updated_at', 'reapplied');
CREATE TRIGGER ledger_of_gone AFTER DELETE ON gdpr_requests
  FOR EACH ROW WHEN (OLD.kind = 'delete' AND NOT OLD.dry_run)
  EXECUTE FUNCTION pipeline.note_row('counts', 'error', 'status', 'held_until', 'completed_at', 'log_clear_at', 'updated_at', 'reapplied');
CREATE TRIGGER ledger AFTER INSERT OR UPDATE OR DELETE ON suppressions
  FOR EACH ROW EXECUTE FUNCTION pipeline.note_row();
CREATE TRIGGER ledger AFTER INSERT OR UPDATE OR DELETE ON legal_holds
  FOR EACH ROW EXECUTE FUNCTION pipeline.note_row('created_by');
CREATE TRIGGER ledger_of_withdrawn AFTER INSERT ON consents
  FOR EACH ROW WHEN (NOT NEW.granted) EXECUTE FUNCTION pipeline.note_row();
CREATE TRIGGER ledger_of_destroyed AFTER UPDATE ON pipeline.subject_keys
  FOR EACH ROW WHEN (OLD.destroyed_at IS NULL AND NEW.destroyed_at IS NOT NULL)
  EXECUTE FUNCTION pipeline.note_row('wrapped_key', 'master_key_id');

-- What is in the database already, so that the ledger is whole.
INSERT INTO pipeline.ledger (domain, kind, facts)
SELECT domain, 'gdpr_requests', jsonb_build_object('id', id, 'domain', domain, 'kind', kind, 'subject_key', subject_key,
       'identities', identities, 'reason', reason, 'dry_run', false, 'requested_by', requested_by, 'created_at', created_at)
FROM gdpr_requests WHERE kind = 'delete' AND NOT dry_run;
INSERT INTO pipeline.ledger (domain, kind, facts)
SELECT c.domain, 'erasures',
       jsonb_build_object('request_id', c.request_id, 'positions', c.positions, 'for_good', c.for_good,
                          'erased_at', max(c.erased_at), 'subject_keys', jsonb_agg(c.subject_key))
FROM (SELECT e.*, (row_number() OVER (PARTITION BY e.request_id) - 1) / 5000 AS part FROM pipeline.erasures e) AS c
GROUP BY c.domain, c.request_id, c.positions, c.for_good, c.part;
INSERT INTO pipeline.ledger (domain, kind, facts) SELECT domain, 'suppressions', to_jsonb(s) FROM suppressions s;
INSERT INTO pipeline.ledger (domain, kind, facts) SELECT domain, 'legal_holds', to_jsonb(h) - 'created_by' FROM legal_holds h;
INSERT INTO pipeline.ledger (domain, kind, facts) SELECT domain, 'consents', to_jsonb(c) FROM consents c WHERE NOT granted;
INSERT INTO pipeline.ledger (domain, kind, facts)
SELECT domain, 'subject_keys', to_jsonb(k) - '{wrapped_key,master_key_id}'::text[] FROM pipeline.subject_keys k WHERE destroyed_at IS NOT NULL;

CREATE FUNCTION pipeline.ledger_tip() RETURNS uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT l.id FROM pipeline.ledger l ORDER BY l.sequence DESC LIMIT 1;
END;
COMMENT ON FUNCTION pipeline.ledger_tip IS 'The newest entry. A process that has seen it and finds it missing reads an older database.';

CREATE FUNCTION pipeline.ledger_missing(p_ids uuid[]) RETURNS SETOF uuid
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT i FROM unnest(p_ids) AS i WHERE NOT EXISTS (SELECT FROM pipeline.ledger l WHERE l.id = i);
END;
COMMENT ON FUNCTION pipeline.ledger_missing IS 'Those of these entries that the database does not contain.';

CREATE FUNCTION pipeline.reapplied_erasures() RETURNS bigint
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT count(*) FROM public.gdpr_requests r WHERE r.reapplied AND r.status IN ('received', 'running', 'failed');
END;
COMMENT ON FUNCTION pipeline.reapplied_erasures IS 'How many erasures are being done again after the database was restored.';

CREATE FUNCTION pipeline.reapply_entry(p_id uuid, p_sequence bigint, p_domain text, p_kind text, p_facts jsonb, p_recorded_at timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_gone boolean := COALESCE((p_facts ->> 'gone')::boolean, false);
  v_suppression suppressions;
  v_hold legal_holds;
  v_consent consents;
  v_key pipeline.subject_keys;
  v_request gdpr_requests;
BEGIN
  INSERT INTO pipeline.ledger (id, sequence, domain, kind, facts, recorded_at, published_at)
  VALUES (p_id, p_sequence, p_domain, p_kind, p_facts, p_recorded_at, now()) ON CONFLICT DO NOTHING;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  CASE p_kind
    WHEN 'erasures' THEN
      INSERT INTO pipeline.erasures AS e (subject_key, domain, request_id, erased_at, positions, for_good)
      SELECT k, p_domain, (p_facts ->> 'request_id')::uuid, (p_facts ->> 'erased_at')::timestamptz,
             NULLIF(p_facts -> 'positions', 'null'), (p_facts ->> 'for_good')::boolean
      FROM jsonb_array_elements_text(p_facts -> 'subject_keys') AS k ORDER BY k
      ON CONFLICT (subject_key) DO UPDATE
      SET domain = excluded.domain, request_id = excluded.request_id, erased_at = excluded.erased_at,
          positions = excluded.positions, for_good = e.for_good OR excluded.for_good;
      UPDATE gdpr_requests SET status = 'received', reapplied = true, error = NULL, updated_at = now()
      WHERE id = (p_facts ->> 'request_id')::uuid AND kind = 'delete' AND status <> 'held';
    WHEN 'gdpr_requests' THEN
      v_request := jsonb_populate_record(NULL::gdpr_requests, p_facts);
      IF v_gone THEN
        DELETE FROM gdpr_requests WHERE id = v_request.id;
      ELSE
        INSERT INTO gdpr_requests (id, domain, kind, subject_key, identities, reason, requested_by, created_at, reapplied)
        VALUES (v_request.id, v_request.domain, v_request.kind, v_request.subject_key, v_request.identities, v_request.reason,
                (SELECT p.id FROM principals p WHERE p.id = v_request.requested_by), v_request.created_at, true)
        ON CONFLICT DO NOTHING;
      END IF;
    WHEN 'suppressions' THEN
      v_suppression := jsonb_populate_record(NULL::suppressions, p_facts);
      -- The profile follows, as it did when the person wrote.
      IF v_gone THEN
        DELETE FROM suppressions s WHERE s.domain = p_domain AND s.channel = v_suppression.channel AND s.subject_key = v_suppression.subject_key;
      ELSE
        INSERT INTO suppressions VALUES (v_suppression.*) ON CONFLICT DO NOTHING;
      END IF;
      UPDATE profiles SET allows_sms = v_gone, sms_opt_out_at = CASE WHEN NOT v_gone THEN v_suppression.since END, updated_at = now()
      WHERE domain = p_domain AND subject_key = v_suppression.subject_key AND v_suppression.channel = 'sms';
      UPDATE profiles SET whatsapp_opt_out_at = CASE WHEN NOT v_gone THEN v_suppression.since END, updated_at = now()
      WHERE domain = p_domain AND subject_key = v_suppression.subject_key AND v_suppression.channel = 'whatsapp';
    WHEN 'legal_holds' THEN
      v_hold := jsonb_populate_record(NULL::legal_holds, p_facts);
      IF v_gone THEN
        DELETE FROM legal_holds WHERE id = v_hold.id;
      ELSE
        INSERT INTO legal_holds AS h (id, domain, subject_key, until, released_at, created_at)
        VALUES (v_hold.id, v_hold.domain, v_hold.subject_key, v_hold.until, v_hold.released_at, v_hold.created_at)
        ON CONFLICT (id) DO UPDATE SET until = excluded.until, released_at = excluded.released_at;
      END IF;
    WHEN 'consents' THEN
      v_consent := jsonb_populate_record(NULL::consents, p_facts);
      INSERT INTO consents VALUES (v_consent.*) ON CONFLICT DO NOTHING;
    WHEN 'subject_keys' THEN
      v_key := jsonb_populate_record(NULL::pipeline.subject_keys, p_facts);
      -- A key that the backup does not have was made and destroyed after it; as an unknown one it would be an outage.
      INSERT INTO pipeline.subject_keys AS k (key_id, subject_key, domain, created_at, destroyed_at)
      VALUES (v_key.key_id, v_key.subject_key, v_key.domain, v_key.created_at, v_key.destroyed_at)
      ON CONFLICT (key_id) DO UPDATE SET wrapped_key = NULL, master_key_id = NULL, destroyed_at = excluded.destroyed_at
      WHERE k.destroyed_at IS NULL;
  END CASE;
END
$$;
COMMENT ON FUNCTION pipeline.reapply_entry IS 'Does again what an entry of the ledger tells, unless the database contains it.';

CREATE FUNCTION pipeline.end_reapply(p_actor text) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  -- New entries come after all others.
  PERFORM setval('pipeline.ledger_sequence', GREATEST(nextval('pipeline.ledger_sequence'), (SELECT max(l.sequence) FROM pipeline.ledger l)));
  -- Workers have passed the events of what was open in the backup.
  UPDATE gdpr_requests SET status = 'received', reapplied = true, updated_at = now()
  WHERE kind = 'delete' AND NOT dry_run AND status IN ('received', 'running');
  UPDATE gdpr_requests SET status = 'failed', error = 'restored', updated_at = now()
  WHERE (kind = 'export' OR dry_run) AND status IN ('received', 'running');
  INSERT INTO gdpr_audit_log (domain, actor, action, status, payload)
  SELECT r.domain, p_actor, 'ledger.reapplied', 'done', jsonb_build_object('entries', count(*))
  FROM pipeline.ledger r JOIN tenants t USING (domain) WHERE r.published_at = now() GROUP BY r.domain;
END
$$;
COMMENT ON FUNCTION pipeline.end_reapply IS 'Ends a transaction of pipeline.reapply_entry: open deletions are to be asked for again, open exports have failed.';

REVOKE EXECUTE ON FUNCTION pipeline.reapply_entry(uuid, bigint, text, text, jsonb, timestamptz), pipeline.end_reapply(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.reapply_entry(uuid, bigint, text, text, jsonb, timestamptz), pipeline.end_reapply(text) TO omnibus_admin;
GRANT USAGE ON SCHEMA pipeline TO omnibus_admin;
GRANT SELECT ON gdpr_requests TO omnibus_admin;
ALTER POLICY everything ON gdpr_requests TO omnibus_owner, omnibus_gdpr, omnibus_admin, omnibus_readonly;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
ALTER POLICY everything ON gdpr_requests TO omnibus_owner, omnibus_gdpr, omnibus_readonly;
REVOKE SELECT ON gdpr_requests FROM omnibus_admin;
REVOKE USAGE ON SCHEMA pipeline FROM omnibus_admin;
DROP FUNCTION pipeline.end_reapply(text);
DROP FUNCTION pipeline.reapply_entry(uuid, bigint, text, text, jsonb, timestamptz);
DROP FUNCTION pipeline.reapplied_erasures();
DROP FUNCTION pipeline.ledger_missing(uuid[]);
DROP FUNCTION pipeline.ledger_tip();
DROP TRIGGER ledger_of_destroyed ON pipeline.subject_keys;
DROP TRIGGER ledger_of_withdrawn ON consents;
DROP TRIGGER ledger ON legal_holds;
DROP TRIGGER ledger ON suppressions;
DROP TRIGGER ledger_of_gone ON gdpr_requests;
DROP TRIGGER ledger_of_requested ON gdpr_requests;
DROP TRIGGER ledger_of_changed ON pipeline.erasures;
DROP TRIGGER ledger_of_new ON pipeline.erasures;
DROP FUNCTION pipeline.note_erasures();
DROP FUNCTION pipeline.note_row();
DROP INDEX gdpr_requests_reapplied;
ALTER TABLE gdpr_requests DROP COLUMN reapplied;
DROP TABLE pipeline.ledger;
RESET ROLE;
