-- The roles of matches between people: the seed's two, and one for each worker.

-- migrate:up
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['authenticated', 'service_role'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I NOLOGIN', role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL; -- another database's migration was faster
    END;
  END LOOP;
END
$$;

SELECT pipeline.create_worker(worker) FROM unnest(ARRAY['match', 'conversation', 'outcome', 'report']) AS worker;
GRANT authenticated TO omnibus_gateway;
GRANT service_role TO omnibus_match, omnibus_conversation, omnibus_outcome, omnibus_report, omnibus_replay;

SET LOCAL ROLE omnibus_owner;
ALTER POLICY everything ON tenants TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly, omnibus_call,
  omnibus_sms, omnibus_notify, service_role;
GRANT SELECT ON tenants TO service_role;
GRANT SELECT, INSERT, DELETE ON pipeline.llm_responses TO omnibus_match, omnibus_conversation, omnibus_outcome;
RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE ALL ON pipeline.llm_responses FROM omnibus_match, omnibus_conversation, omnibus_outcome;
REVOKE ALL ON tenants FROM service_role;
ALTER POLICY everything ON tenants TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly, omnibus_call,
  omnibus_sms, omnibus_notify;
RESET ROLE;

REVOKE service_role FROM omnibus_match, omnibus_conversation, omnibus_outcome, omnibus_report, omnibus_replay;
REVOKE authenticated FROM omnibus_gateway;
SELECT pipeline.drop_worker(worker) FROM unnest(ARRAY['match', 'conversation', 'outcome', 'report']) AS worker;

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['authenticated', 'service_role'] LOOP
    BEGIN
      EXECUTE format('DROP ROLE IF EXISTS %I', role);
    EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
      RAISE NOTICE 'role % stays: another database needs it', role;
    END;
  END LOOP;
END
$$;
