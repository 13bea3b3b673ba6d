-- The workers of calls, SMS and WhatsApp, and what the engine needs for each.

-- migrate:up
DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['call', 'sms', 'notify'] LOOP
    BEGIN
      EXECUTE format('CREATE ROLE %I LOGIN', 'omnibus_' || role);
    EXCEPTION WHEN duplicate_object OR unique_violation THEN
      NULL;
    END;
  END LOOP;
END
$$;

SET LOCAL ROLE omnibus_owner;

GRANT USAGE ON SCHEMA pipeline TO omnibus_call, omnibus_sms, omnibus_notify;
GRANT SELECT, INSERT, UPDATE ON pipeline.fence TO omnibus_call, omnibus_sms, omnibus_notify;
GRANT SELECT, INSERT ON pipeline.inbox TO omnibus_call, omnibus_sms, omnibus_notify;
GRANT EXECUTE ON FUNCTION pipeline.prune_inbox(interval, bigint) TO omnibus_call, omnibus_sms, omnibus_notify;
GRANT SELECT, INSERT, DELETE ON pipeline.outbox TO omnibus_call, omnibus_sms, omnibus_notify;
GRANT USAGE ON SEQUENCE pipeline.outbox_id TO omnibus_call, omnibus_sms, omnibus_notify;
-- Two of them ask a model.
GRANT SELECT, INSERT, DELETE ON pipeline.llm_responses TO omnibus_call, omnibus_sms;

ALTER POLICY everything ON tenants TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly, omnibus_call,
  omnibus_sms, omnibus_notify;
GRANT SELECT ON tenants TO omnibus_call, omnibus_sms, omnibus_notify;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
REVOKE ALL ON tenants FROM omnibus_call, omnibus_sms, omnibus_notify;
ALTER POLICY everything ON tenants TO omnibus_owner, omnibus_chat, omnibus_replay, omnibus_readonly;
REVOKE ALL ON pipeline.llm_responses FROM omnibus_call, omnibus_sms;
REVOKE ALL ON pipeline.fence, pipeline.inbox, pipeline.outbox FROM omnibus_call, omnibus_sms, omnibus_notify;
REVOKE ALL ON SEQUENCE pipeline.outbox_id FROM omnibus_call, omnibus_sms, omnibus_notify;
REVOKE ALL ON FUNCTION pipeline.prune_inbox(interval, bigint) FROM omnibus_call, omnibus_sms, omnibus_notify;
REVOKE USAGE ON SCHEMA pipeline FROM omnibus_call, omnibus_sms, omnibus_notify;
RESET ROLE;

DO $$
DECLARE
  role text;
BEGIN
  FOREACH role IN ARRAY ARRAY['call', 'sms', 'notify'] LOOP
    BEGIN
      EXECUTE format('DROP ROLE IF EXISTS %I', 'omnibus_' || role);
    EXCEPTION WHEN dependent_objects_still_exist OR object_in_use THEN
      RAISE NOTICE 'role omnibus_% stays: another database needs it', role;
    END;
  END LOOP;
END
$$;
