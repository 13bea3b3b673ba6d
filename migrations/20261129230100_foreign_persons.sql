-- A request names a person by an id, and any id is a subject key: that of another tenant's conversation or profile must not be
-- erased or exported, either.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE OR REPLACE FUNCTION is_of_another_tenant(p_domain text, p_user_id uuid, p_customer_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (
    SELECT FROM unnest(ARRAY[p_user_id, p_customer_id]) AS n (id)
    WHERE EXISTS (SELECT FROM public.users t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.principals t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.identity_links t WHERE t.customer_id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.conversations t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.profiles t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.omnichannel_sessions t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.omniscient_matches t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.omniscient_conversations t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM public.omniscient_outcomes t WHERE t.id = n.id AND t.domain <> p_domain)
       OR EXISTS (SELECT FROM pipeline.delivery t WHERE t.effect_key = n.id AND t.domain <> p_domain));
END;
COMMENT ON FUNCTION is_of_another_tenant IS 'Whether one of these ids is that of a person of another tenant, or of what is stored about one.';
-- The worker checks each key that a request names; the tool checks before it asks.
GRANT EXECUTE ON FUNCTION is_of_another_tenant(text, uuid, uuid) TO omnibus_gdpr, omnibus_readonly;
CREATE INDEX identity_links_by_customer_alone ON identity_links (customer_id);

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP INDEX identity_links_by_customer_alone;
REVOKE EXECUTE ON FUNCTION is_of_another_tenant(text, uuid, uuid) FROM omnibus_gdpr, omnibus_readonly;
CREATE OR REPLACE FUNCTION is_of_another_tenant(p_domain text, p_user_id uuid, p_customer_id uuid) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM public.users u WHERE u.id = p_user_id AND u.domain <> p_domain)
      OR EXISTS (SELECT FROM public.principals p WHERE p.id = p_user_id AND p.domain <> p_domain)
      OR EXISTS (SELECT FROM public.identity_links l WHERE l.customer_id = p_customer_id AND l.domain <> p_domain);
END;
COMMENT ON FUNCTION is_of_another_tenant IS 'Whether a user or customer of that id belongs to another tenant.';
RESET ROLE;
