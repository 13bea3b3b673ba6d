-- Each legal hold that is set, changed or lifted is in the audit log, whoever does it.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION audit_hold() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  v_hold legal_holds;
  v_action text;
BEGIN
  IF TG_OP = 'DELETE' THEN
    v_hold := OLD;
    v_action := 'hold.removed';
  ELSE
    v_hold := NEW;
    v_action := CASE WHEN TG_OP = 'INSERT' THEN 'hold.set'
                     WHEN OLD.released_at IS NULL AND NEW.released_at IS NOT NULL THEN 'hold.lifted'
                     ELSE 'hold.changed' END;
  END IF;
  -- A tenant that is deleted takes its holds along, and its audit log.
  INSERT INTO gdpr_audit_log (domain, actor, action, subject_key, status, payload)
  SELECT t.domain, COALESCE(NULLIF(current_setting('omnibus.actor', true), ''), 'role:' || translate(lower(session_user), '.@ ', '---')),
         v_action, v_hold.subject_key, 'done', jsonb_build_object('hold', v_hold.id, 'until', v_hold.until)
  FROM tenants t WHERE t.domain = v_hold.domain;
  RETURN NULL;
END
$$;
COMMENT ON FUNCTION audit_hold IS 'Writes an audit row for a hold. Its actor is the setting omnibus.actor of the transaction, else the role that is logged in.';
CREATE TRIGGER audit AFTER INSERT OR UPDATE OR DELETE ON legal_holds FOR EACH ROW EXECUTE FUNCTION audit_hold();

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP TRIGGER audit ON legal_holds;
DROP FUNCTION audit_hold();
RESET ROLE;
