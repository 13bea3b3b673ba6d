-- Who may do what. Roles belong to the whole cluster, so another database may have created them before, or still need
-- them afterwards. They get no password here: whoever runs the cluster gives them one.

-- migrate:up
DO $$
DECLARE
  role text;
BEGIN
  -- A race with another database's migration ends in unique_violation, and the role exists then, too.
  BEGIN
    CREATE ROLE omnibus_owner NOLOGIN;
  EXCEPTION WHEN duplicate_object OR unique_violation THEN
    NULL;
  END;
  FOREACH role IN ARRAY ARRAY['gateway', 'chat', 'relay', 'replay', 'readonly'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN', 'omnibus_' || role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
  -- The files that follow create everything as the owner. A superuser is a member of every role.
  IF NOT pg_has_role(current_user, 'omnibus_owner', 'MEMBER') THEN
    EXECUTE format('GRANT omnibus_owner TO %I', current_user);
  END IF;
END
$$;

CREATE SCHEMA pipeline AUTHORIZATION omnibus_owner;
COMMENT ON SCHEMA pipeline IS 'What makes events take effect once; no business data.';
GRANT USAGE ON SCHEMA pipeline TO omnibus_gateway, omnibus_chat, omnibus_relay, omnibus_replay, omnibus_readonly;
GRANT USAGE, CREATE ON SCHEMA public TO omnibus_owner;

-- migrate:down
REVOKE USAGE, CREATE ON SCHEMA public FROM omnibus_owner;
DROP SCHEMA pipeline;

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['gateway', 'chat', 'relay', 'replay', 'readonly', 'owner'] LOOP
    BEGIN
      EXECUTE format('DROP ROLE IF EXISTS %I', 'omnibus_' || role);
    EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
      RAISE NOTICE 'role omnibus_% stays: another database needs it', role;
    END;
  END LOOP;
END
$$;
