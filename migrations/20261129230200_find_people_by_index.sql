-- An erasure looks for the person in tables that grow with all people: by an index, or a thousand erasures read them a thousand
-- times.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Whoever is asked for by one identity is looked for among the profiles that have another one, too.
CREATE INDEX profiles_of_several_identities ON profiles (domain, id) WHERE num_nonnulls(phone_number, whatsapp_user_id, sms_sender) > 1;

CREATE FUNCTION pipeline.ids_in(p_text text) RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN ARRAY(SELECT replace(lower(m[1]), '-', '')
             FROM regexp_matches(p_text, '([0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12})', 'gi') AS m);
COMMENT ON FUNCTION pipeline.ids_in IS 'The UUIDs and subject keys within a text, each as 32 hex digits.';
CREATE INDEX access_log_by_ids ON access_log USING gin (pipeline.ids_in(object)) WHERE object IS NOT NULL;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP INDEX access_log_by_ids;
DROP FUNCTION pipeline.ids_in(text);
DROP INDEX profiles_of_several_identities;
RESET ROLE;
