-- A hold on one identity of a person is on all that are joined with it.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- With the owner's rights: an admin does not read links.
CREATE FUNCTION linked_keys(p_domain text, p_customer uuid, p_keys text[]) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT DISTINCT l.subject_key::text FROM public.identity_links l
  WHERE l.domain = p_domain AND (l.customer_id = p_customer OR l.customer_id IN (
    SELECT k.customer_id FROM public.identity_links k WHERE k.domain = p_domain AND k.subject_key::text = ANY (p_keys)));
END;
COMMENT ON FUNCTION linked_keys IS 'The keys of all identities that are joined with a customer or with one of these keys.';
REVOKE EXECUTE ON FUNCTION linked_keys(text, uuid, text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION linked_keys(text, uuid, text[]) TO omnibus_admin;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION linked_keys(text, uuid, text[]);
RESET ROLE;
