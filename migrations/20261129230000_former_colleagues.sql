-- A person of the team who leaves stays as "a former colleague": replies keep their id, and nothing else is stored of them.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- An erasure asks for the conversations of whoever is erased.
CREATE INDEX conversations_by_owner ON conversations (owner_id) WHERE owner_id IS NOT NULL;

-- With the owner's rights: the gdpr worker changes no other principal, and sees no token.
CREATE FUNCTION pipeline.blank_colleagues(p_domain text, p_ids uuid[]) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH leaving AS MATERIALIZED (
    SELECT p.id FROM public.principals p
    WHERE p.domain = p_domain AND p.kind = 'person' AND p.role <> 'visitor'
      AND p.id = ANY (p_ids || ARRAY(SELECT u.auth_user_id FROM public.users u WHERE u.id = ANY (p_ids)))
  ), tokens AS (
    DELETE FROM public.api_tokens k USING leaving l WHERE k.principal_id = l.id
  ), blanked AS (
    UPDATE public.principals p
    SET name = 'a former colleague', email = NULL, password_hash = NULL, disabled_at = COALESCE(p.disabled_at, now())
    FROM leaving l
    WHERE p.id = l.id AND (p.name <> 'a former colleague' OR p.email IS NOT NULL OR p.password_hash IS NOT NULL
                           OR p.disabled_at IS NULL)
    RETURNING 1
  )
  SELECT count(*) FROM blanked
$$;
COMMENT ON FUNCTION pipeline.blank_colleagues IS 'Disables and blanks those of these principals and users'' principals that are people of the tenant''s team, and deletes their tokens; returns how many were not yet.';

-- Their conversations that are not resolved have no owner any more.
CREATE FUNCTION pipeline.release_conversations(p_domain text, p_ids uuid[], p_most bigint) RETURNS bigint
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
  WITH released AS (
    UPDATE public.conversations SET owner_id = NULL, takeover_epoch = takeover_epoch + 1, updated_at = now()
    WHERE id = ANY (ARRAY(SELECT c.id FROM public.conversations c
                          WHERE c.domain = p_domain AND c.status <> 'resolved'
                            AND c.owner_id = ANY (p_ids || ARRAY(SELECT u.auth_user_id FROM public.users u WHERE u.id = ANY (p_ids)))
                          LIMIT p_most))
    RETURNING 1
  )
  SELECT count(*) FROM released
$$;
COMMENT ON FUNCTION pipeline.release_conversations IS 'Takes these owners from their conversations that are not resolved, at most so many; returns how many.';

REVOKE EXECUTE ON FUNCTION pipeline.blank_colleagues(text, uuid[]), pipeline.release_conversations(text, uuid[], bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.blank_colleagues(text, uuid[]), pipeline.release_conversations(text, uuid[], bigint) TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION pipeline.release_conversations(text, uuid[], bigint);
DROP FUNCTION pipeline.blank_colleagues(text, uuid[]);
DROP INDEX conversations_by_owner;
RESET ROLE;
