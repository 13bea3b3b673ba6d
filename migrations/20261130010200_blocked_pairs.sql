-- A request to match two people of whom one blocks the other is refused at once. Who blocks whom is not told.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- With the owner's rights: the gateway and operators do not read blocks.
CREATE FUNCTION omniscient_is_blocked(user_a uuid, user_b uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
RETURN EXISTS (
  SELECT FROM public.omniscient_blocks b
  WHERE (b.user_id, b.other_id) IN ((user_a, user_b), (user_b, user_a)));
COMMENT ON FUNCTION omniscient_is_blocked IS 'Whether one of two people blocks the other.';
REVOKE EXECUTE ON FUNCTION omniscient_is_blocked(uuid, uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION omniscient_is_blocked(uuid, uuid) TO omnibus_gateway, omnibus_readonly, omnibus_operator;

RESET ROLE;

-- migrate:down
DROP FUNCTION omniscient_is_blocked(uuid, uuid);
