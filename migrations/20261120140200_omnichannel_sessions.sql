-- One conversation of a person across voice, WhatsApp and SMS, with the context that its channels share. Open is what
-- is active or to be followed up and has not expired; a person has one open session at most.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE omnichannel_sessions (
  id                    uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain                text        NOT NULL REFERENCES tenants,
  profile_id            uuid        NOT NULL REFERENCES profiles ON DELETE CASCADE,
  status                text        NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'follow_up', 'closed')),
  context               jsonb       NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(context) = 'object'),
  version               int         NOT NULL DEFAULT 1 CHECK (version > 0),
  primary_channel       text        NOT NULL CHECK (primary_channel IN ('voice', 'whatsapp', 'sms')),
  last_channel          text        NOT NULL CHECK (last_channel IN ('voice', 'whatsapp', 'sms')),
  call_id               text,
  whatsapp_summary_sent boolean     NOT NULL DEFAULT false,
  sms_summary_sent      boolean     NOT NULL DEFAULT false,
  created_at            timestamptz NOT NULL DEFAULT now(),
  last_activity_at      timestamptz NOT NULL DEFAULT now(),
  expires_at            timestamptz NOT NULL DEFAULT now() + interval '24 hours',
  closed_at             timestamptz
)
WITH (fillfactor = 80);
COMMENT ON COLUMN omnichannel_sessions.version IS 'Grows with every change of the context: a merge names the one it read.';
CREATE UNIQUE INDEX omnichannel_sessions_open ON omnichannel_sessions (profile_id) WHERE status <> 'closed';
CREATE INDEX omnichannel_sessions_of_profile ON omnichannel_sessions (profile_id, created_at DESC);
CREATE INDEX omnichannel_sessions_expiring ON omnichannel_sessions (expires_at) WHERE status <> 'closed';

ALTER TABLE omnichannel_sessions ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON omnichannel_sessions
  TO omnibus_owner, omnibus_call, omnibus_sms, omnibus_notify, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON omnichannel_sessions TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON omnichannel_sessions TO omnibus_call, omnibus_sms;
GRANT SELECT, UPDATE ON omnichannel_sessions TO omnibus_notify;
GRANT SELECT ON omnichannel_sessions TO omnibus_gateway, omnibus_replay, omnibus_readonly;

-- The person's open session, extended by 24 hours, or a new one. One that waits for a follow-up becomes active when the
-- person says something (p_status 'active'), and any is to be followed up after a call. Another call's summary is to be sent anew.
CREATE FUNCTION get_or_create_omnichannel_session(p_profile_id uuid, p_channel text, p_status text DEFAULT 'active',
                                                  p_call_id text DEFAULT NULL)
RETURNS omnichannel_sessions
LANGUAGE plpgsql AS $$
DECLARE
  session omnichannel_sessions;
BEGIN
  -- Two workers at once: the second waits here, and then finds what the first has made.
  PERFORM 1 FROM profiles WHERE id = p_profile_id FOR NO KEY UPDATE;
  IF NOT FOUND THEN
    RAISE EXCEPTION 'no profile %', p_profile_id USING ERRCODE = 'foreign_key_violation';
  END IF;
  UPDATE omnichannel_sessions SET status = 'closed', closed_at = now()
  WHERE profile_id = p_profile_id AND status <> 'closed' AND expires_at <= now();
  UPDATE omnichannel_sessions
  SET status = p_status, last_channel = p_channel, last_activity_at = now(), expires_at = now() + interval '24 hours',
      whatsapp_summary_sent = whatsapp_summary_sent AND COALESCE(p_call_id = call_id, p_call_id IS NULL),
      sms_summary_sent = sms_summary_sent AND COALESCE(p_call_id = call_id, p_call_id IS NULL),
      call_id = COALESCE(p_call_id, call_id)
  WHERE profile_id = p_profile_id AND status <> 'closed'
  RETURNING * INTO session;
  IF NOT FOUND THEN
    INSERT INTO omnichannel_sessions (domain, profile_id, status, primary_channel, last_channel, call_id)
    SELECT domain, id, p_status, p_channel, p_channel, p_call_id FROM profiles WHERE id = p_profile_id
    RETURNING * INTO session;
  END IF;
  UPDATE profiles SET last_active_channel = p_channel, updated_at = now() WHERE id = p_profile_id;
  RETURN session;
END
$$;

-- The session as it is now. A closed one stays closed.
CREATE FUNCTION update_omnichannel_session_status(p_session_id uuid, p_status text)
RETURNS omnichannel_sessions
LANGUAGE sql AS $$
  UPDATE omnichannel_sessions
  SET status = p_status, closed_at = CASE WHEN p_status = 'closed' THEN now() END, last_activity_at = now(),
      expires_at = CASE WHEN p_status = 'closed' THEN expires_at ELSE now() + interval '24 hours' END
  WHERE id = p_session_id AND status <> 'closed'
  RETURNING *
$$;

-- Merges `p_patch` into the context, member by member, if nobody has changed it since `p_version` was read; NULL asks
-- for no such check. No row when somebody has, or when the session is closed. Context is kept below 16 KiB
-- as it is written out: a model is shown all of it.
CREATE FUNCTION merge_omnichannel_session_context(p_session_id uuid, p_patch jsonb, p_version int DEFAULT NULL)
RETURNS SETOF omnichannel_sessions
LANGUAGE plpgsql AS $$
BEGIN
  RETURN QUERY
    UPDATE omnichannel_sessions
    SET context = context || p_patch, version = version + 1, last_activity_at = now(),
        expires_at = now() + interval '24 hours'
    WHERE id = p_session_id AND status <> 'closed' AND version = COALESCE(p_version, version)
      AND octet_length((context || p_patch)::text) < 16384
    RETURNING *;
END
$$;

-- Closes what has expired, at most `p_limit` sessions a call; how many it closed.
CREATE FUNCTION cleanup_expired_omnichannel_sessions(p_limit int DEFAULT 1000) RETURNS bigint
LANGUAGE sql AS $$
  WITH expired AS (
    SELECT id FROM omnichannel_sessions WHERE status <> 'closed' AND expires_at <= now()
    ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), closed AS (
    UPDATE omnichannel_sessions s SET status = 'closed', closed_at = now() FROM expired WHERE s.id = expired.id
    RETURNING 1
  )
  SELECT count(*) FROM closed
$$;

RESET ROLE;

-- migrate:down
DROP FUNCTION cleanup_expired_omnichannel_sessions(int);
DROP FUNCTION merge_omnichannel_session_context(uuid, jsonb, int);
DROP FUNCTION update_omnichannel_session_status(uuid, text);
DROP FUNCTION get_or_create_omnichannel_session(uuid, text, text, text);
DROP TABLE omnichannel_sessions;
