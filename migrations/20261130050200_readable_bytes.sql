-- A dead letter holds what came, which may be no text: an export of its person must not fail of it.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.readable(p_bytes bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RETURN convert_from(p_bytes, 'UTF8');
EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN
  RETURN 'base64:' || encode(p_bytes, 'base64');
END
$$;
COMMENT ON FUNCTION pipeline.readable IS 'The text of these bytes; in base64 if they are none.';
REVOKE EXECUTE ON FUNCTION pipeline.readable(bytea) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.readable(bytea) TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION pipeline.readable(bytea);
RESET ROLE;
