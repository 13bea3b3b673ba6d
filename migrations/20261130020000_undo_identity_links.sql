-- A join of two identities can be undone: who was joined by mistake is neither exported nor erased with the other one, not
-- after a restore, either.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE pipeline.ledger DROP CONSTRAINT ledger_kind_check, ADD CONSTRAINT ledger_kind_check
  CHECK (kind IN ('erasures', 'gdpr_requests', 'suppressions', 'legal_holds', 'consents', 'subject_keys', 'identity_links'));

CREATE FUNCTION undo_identity_link(p_link uuid, p_actor text, OUT domain text, OUT open_requests bigint, OUT ended_requests bigint)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_link identity_links;
  v_keys text[];
BEGIN
  SELECT * INTO v_link FROM identity_links l WHERE l.id = p_link FOR UPDATE;
  IF NOT FOUND THEN
    RETURN;
  END IF;
  domain := v_link.domain;
  v_keys := ARRAY(SELECT l.subject_key::text FROM identity_links l WHERE l.domain = v_link.domain AND l.customer_id = v_link.customer_id);
  -- Their identities were named when they were asked for.
  SELECT count(*) INTO open_requests FROM gdpr_requests r
  WHERE r.domain = v_link.domain AND r.status IN ('received', 'running') AND (r.subject_key::text = ANY (v_keys) OR r.identities && v_keys);
  ended_requests := 0;
  IF open_requests > 0 THEN
    RETURN;
  END IF;
  UPDATE gdpr_requests r SET status = 'failed', error = 'unlinked', held_until = NULL, updated_at = now()
  WHERE r.domain = v_link.domain AND r.status = 'held' AND (r.subject_key::text = ANY (v_keys) OR r.identities && v_keys);
  GET DIAGNOSTICS ended_requests = ROW_COUNT;
  DELETE FROM identity_links l WHERE l.id = p_link;
  INSERT INTO pipeline.ledger (domain, kind, facts)
  VALUES (v_link.domain, 'identity_links', jsonb_build_object('id', v_link.id, 'gone', true));
  INSERT INTO gdpr_audit_log (domain, actor, action, subject_key, status, payload)
  VALUES (v_link.domain, p_actor, 'identity.unlinked', v_link.subject_key, 'done',
          jsonb_build_object('link', v_link.id, 'customer_id', v_link.customer_id, 'kind', v_link.kind, 'ended_requests', ended_requests));
END
$$;
COMMENT ON FUNCTION undo_identity_link IS 'Takes an identity away from its customer. Nothing is done while a request about one of the customer''s identities is open; held ones fail, since they name the identity. The domain is NULL when there is no such link.';
REVOKE EXECUTE ON FUNCTION undo_identity_link(uuid, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION undo_identity_link(uuid, text) TO omnibus_admin;

CREATE OR REPLACE FUNCTION pipeline.reapply_entry(p_id uuid, p_sequence bigint, p_domain text, p_kind text, p_facts jsonb, p_recorded_at timestamptz) RETURNS void
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
    WHEN 'identity_links' THEN
      DELETE FROM identity_links WHERE id = (p_facts ->> 'id')::uuid AND domain = p_domain;
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

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION pipeline.reapply_entry(p_id uuid, p_sequence bigint, p_domain text, p_kind text, p_facts jsonb, p_recorded_at timestamptz) RETURNS void
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
DROP FUNCTION undo_identity_link(uuid, text);
DELETE FROM pipeline.ledger WHERE kind = 'identity_links';
ALTER TABLE pipeline.ledger DROP CONSTRAINT ledger_kind_check, ADD CONSTRAINT ledger_kind_check
  CHECK (kind IN ('erasures', 'gdpr_requests', 'suppressions', 'legal_holds', 'consents', 'subject_keys'));
RESET ROLE;
