-- A consent counts from its time on, not before.

-- migrate:up
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION omniscient_may_meet(user_a uuid, user_b uuid) RETURNS boolean
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp AS $$
BEGIN -- in SQL it would be planned again for every call, which takes ten times as long
  RETURN (
    SELECT count(*) = 2 AND count(DISTINCT u.domain) = 1
    FROM public.users u JOIN public.personal_stories s ON s.user_id = u.id
    JOIN public.tenants t ON t.domain = u.domain
    WHERE u.id IN (user_a, user_b) AND u.status = 'APPROVED' AND u.deep_analysis_consent_at <= now()
      AND t.status = 'active'
  ) AND NOT EXISTS (
    SELECT FROM public.omniscient_blocks b
    WHERE (b.user_id, b.other_id) IN ((user_a, user_b), (user_b, user_a)));
END
$$;
RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION omniscient_may_meet(user_a uuid, user_b uuid) RETURNS boolean
LANGUAGE sql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (
  SELECT count(*) = 2 AND count(DISTINCT u.domain) = 1
  FROM public.users u JOIN public.personal_stories s ON s.user_id = u.id
  JOIN public.tenants t ON t.domain = u.domain
  WHERE u.id IN (user_a, user_b) AND u.status = 'APPROVED' AND u.deep_analysis_consent_at IS NOT NULL
    AND t.status = 'active'
) AND NOT EXISTS (
  SELECT FROM public.omniscient_blocks b
  WHERE (b.user_id, b.other_id) IN ((user_a, user_b), (user_b, user_a)));
RESET ROLE;
