-- What the match worker reads of people: their words, who may meet, and the later of two people's next midnights.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION omniscient_fold(folded text) RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN lower(regexp_replace(normalize(folded, NFKD), U&'[\0300-\036F]', '', 'g'));
COMMENT ON FUNCTION omniscient_fold IS 'The text without case, accents and width.';

CREATE FUNCTION omniscient_words(texts text[]) RETURNS text[]
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN tsvector_to_array(to_tsvector('english', public.omniscient_fold(array_to_string(texts, ' '))));
COMMENT ON FUNCTION omniscient_words IS 'The stemmed words of texts, each once.';

CREATE FUNCTION omniscient_story(narrative text, current_focus text) RETURNS tsvector
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN to_tsvector('english', public.omniscient_fold(narrative || ' ' || coalesce(current_focus, '')));

CREATE FUNCTION omniscient_story_query(narrative text, current_focus text) RETURNS tsquery
LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
RETURN (
  SELECT string_agg('''' || replace(replace(lexeme, '\', '\\'), '''', '''''') || '''', ' | ')::tsquery
  FROM (SELECT lexeme FROM unnest(public.omniscient_story(narrative, current_focus))
        ORDER BY cardinality(positions) DESC, lexeme LIMIT 24) AS most_used);
COMMENT ON FUNCTION omniscient_story_query IS
  'Any of the words that a story uses most. Their number bounds what it costs to rank another story by it.';

ALTER TABLE personal_stories
  ADD COLUMN seek_words text[] GENERATED ALWAYS AS (omniscient_words(seeking_connections)) STORED,
  ADD COLUMN offer_words text[] GENERATED ALWAYS AS (omniscient_words(offering_expertise)) STORED,
  ADD COLUMN story tsvector GENERATED ALWAYS AS (omniscient_story(narrative, current_focus)) STORED,
  ADD COLUMN story_query tsquery GENERATED ALWAYS AS (omniscient_story_query(narrative, current_focus)) STORED;

CREATE AGGREGATE omniscient_concat (integer[]) (SFUNC = array_cat, STYPE = integer[], INITCOND = '{}');

-- Also ids of people who are not known yet: their block works from the moment they are.
ALTER TABLE users ADD COLUMN blocked_user_ids uuid[] NOT NULL DEFAULT '{}';
COMMENT ON COLUMN users.blocked_user_ids IS 'Whom the person does not want to meet, as the person gave it. omniscient_blocks has those who are here.';
CREATE INDEX users_by_blocked ON users USING gin (blocked_user_ids);

CREATE FUNCTION omniscient_may_meet(user_a uuid, user_b uuid) RETURNS boolean
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
COMMENT ON FUNCTION omniscient_may_meet IS
  'Whether two people of an active tenant are approved, agreed to deep analysis, have told their story, and neither blocks the other.';

CREATE FUNCTION omniscient_zone(zone text) RETURNS text
LANGUAGE plpgsql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  PERFORM now() AT TIME ZONE zone;
  RETURN zone;
EXCEPTION WHEN invalid_parameter_value THEN
  RETURN 'UTC';
END
$$;
COMMENT ON FUNCTION omniscient_zone IS 'The time zone, or UTC if PostgreSQL does not know it any more.';

CREATE FUNCTION omniscient_next_midnight(zone_a text, zone_b text, moment timestamptz) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL RESTRICTED SET search_path = pg_catalog, pg_temp
RETURN (
  SELECT max((date_trunc('day', moment AT TIME ZONE zone) + interval '1 day') AT TIME ZONE zone)
  FROM (VALUES (public.omniscient_zone(zone_a)), (public.omniscient_zone(zone_b))) AS z (zone));
COMMENT ON FUNCTION omniscient_next_midnight IS
  'The later of the next midnights in two time zones. Where midnight is skipped or comes twice: the later instant.';

GRANT DELETE ON personal_stories TO omnibus_match, omnibus_replay;

RESET ROLE;

-- migrate:down
REVOKE DELETE ON personal_stories FROM omnibus_match, omnibus_replay;
DROP FUNCTION omniscient_next_midnight(text, text, timestamptz);
DROP FUNCTION omniscient_zone(text);
DROP FUNCTION omniscient_may_meet(uuid, uuid);
ALTER TABLE users DROP COLUMN blocked_user_ids;
DROP AGGREGATE omniscient_concat(integer[]);
ALTER TABLE personal_stories DROP COLUMN seek_words, DROP COLUMN offer_words, DROP COLUMN story, DROP COLUMN story_query;
DROP FUNCTION omniscient_story_query(text, text);
DROP FUNCTION omniscient_story(text, text);
DROP FUNCTION omniscient_words(text[]);
DROP FUNCTION omniscient_fold(text);
