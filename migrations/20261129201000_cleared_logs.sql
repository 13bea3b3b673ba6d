-- When the topics really held nothing of an erased person any more: the date that was promised is confirmed by reading.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE gdpr_requests ADD COLUMN log_cleared_at timestamptz;
COMMENT ON COLUMN gdpr_requests.log_cleared_at IS 'Since then every partition begins after the erasure''s position. NULL: not confirmed, whatever log_clear_at promised.';
CREATE INDEX gdpr_requests_uncleared ON gdpr_requests (log_clear_at) WHERE log_clear_at IS NOT NULL AND log_cleared_at IS NULL;

CREATE OR REPLACE FUNCTION pipeline.prune_erasures(p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_pruned bigint;
BEGIN
  IF p_age < interval '30 days' THEN
    RAISE EXCEPTION 'records of who was erased less than 30 days ago may still be in the log: % is too short an age', p_age
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM pipeline.erasures
  WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM pipeline.erasures e
                          WHERE e.erased_at < now() - p_age AND e.positions IS NOT NULL AND NOT e.for_good
                            AND NOT EXISTS (SELECT FROM public.gdpr_requests r
                                            WHERE r.id = e.request_id AND r.log_clear_at IS NOT NULL AND r.log_cleared_at IS NULL)
                          LIMIT p_limit))
    AND erased_at < now() - p_age;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  RETURN v_pruned;
END
$$;
COMMENT ON FUNCTION pipeline.prune_erasures IS 'Forgets erasures whose positions are older than p_age, at most p_limit: no log has a record before them. Returns how many.';

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION pipeline.prune_erasures(p_age interval, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_pruned bigint;
BEGIN
  IF p_age < interval '30 days' THEN
    RAISE EXCEPTION 'records of who was erased less than 30 days ago may still be in the log: % is too short an age', p_age
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM pipeline.erasures
  WHERE ctid = ANY (ARRAY(SELECT e.ctid FROM pipeline.erasures e
                          WHERE e.erased_at < now() - p_age AND e.positions IS NOT NULL AND NOT e.for_good LIMIT p_limit))
    AND erased_at < now() - p_age;
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  RETURN v_pruned;
END
$$;
ALTER TABLE gdpr_requests DROP COLUMN log_cleared_at;
RESET ROLE;
