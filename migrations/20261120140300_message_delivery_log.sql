-- Every message from and to a person, and what became of it: what people see. That a message is sent once at most is
-- pipeline.delivery's affair.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE message_delivery_log (
  id                  uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain              text        NOT NULL REFERENCES tenants,
  profile_id          uuid        NOT NULL REFERENCES profiles ON DELETE CASCADE,
  session_id          uuid        REFERENCES omnichannel_sessions ON DELETE SET NULL,
  channel             text        NOT NULL CHECK (channel IN ('voice', 'whatsapp', 'sms')),
  direction           text        NOT NULL CHECK (direction IN ('inbound', 'outbound')),
  kind                text        NOT NULL CHECK (kind ~ '^[a-z][a-z0-9_]{0,31}$'),
  status              text        NOT NULL CHECK (status IN ('received', 'planned', 'sent', 'delivered', 'read',
                                                             'failed', 'skipped', 'in_doubt')),
  content             text,
  provider            text,
  provider_message_id text,
  segments            smallint    CHECK (segments BETWEEN 1 AND 10),
  encoding            text        CHECK (encoding IN ('gsm7', 'ucs2')),
  error_code          text,
  error_class         text,
  source_event_id     uuid,
  effect_key          uuid        NOT NULL UNIQUE,
  created_at          timestamptz NOT NULL DEFAULT now(),
  updated_at          timestamptz NOT NULL DEFAULT now()
)
WITH (fillfactor = 80);
COMMENT ON COLUMN message_delivery_log.content IS 'What was written or sent, as it was formatted for its channel.';
COMMENT ON COLUMN message_delivery_log.effect_key IS 'Inbound: the event''s id. Outbound: of the event and the channel.';
CREATE INDEX message_delivery_log_of_profile ON message_delivery_log (profile_id, created_at);
CREATE INDEX message_delivery_log_of_session ON message_delivery_log (session_id, created_at) WHERE session_id IS NOT NULL;

ALTER TABLE message_delivery_log ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON message_delivery_log
  TO omnibus_owner, omnibus_call, omnibus_sms, omnibus_notify, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON message_delivery_log TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE ON message_delivery_log TO omnibus_call, omnibus_sms, omnibus_notify;
GRANT SELECT ON message_delivery_log TO omnibus_gateway, omnibus_replay, omnibus_readonly;

-- Writes messages down, each once for its effect key; their states move forward only: an answer that comes late does not
-- take back a later one. Of people who are gone nothing is written. Their ids.
CREATE FUNCTION log_message_deliveries(p_rows message_delivery_log[]) RETURNS SETOF uuid
LANGUAGE plpgsql AS $$ -- which keeps its plan; one in SQL is planned at every call
DECLARE
  onward CONSTANT text[] := ARRAY['received', 'planned', 'in_doubt', 'sent', 'skipped', 'failed', 'delivered', 'read'];
BEGIN
  RETURN QUERY
  INSERT INTO message_delivery_log AS log
    (domain, profile_id, session_id, channel, direction, kind, status, content, provider, provider_message_id, segments,
     encoding, error_code, error_class, source_event_id, effect_key)
  SELECT p.domain, p.id, r.session_id, r.channel, r.direction, r.kind, r.status, r.content, r.provider,
         r.provider_message_id, r.segments, r.encoding, r.error_code, r.error_class, r.source_event_id, r.effect_key
  FROM unnest(p_rows) AS r JOIN profiles p ON p.id = r.profile_id
  ORDER BY r.effect_key
  ON CONFLICT (effect_key) DO UPDATE
  SET status = CASE WHEN array_position(onward, EXCLUDED.status) > array_position(onward, log.status)
                    THEN EXCLUDED.status ELSE log.status END,
      content = COALESCE(CASE WHEN EXCLUDED.status <> 'planned' THEN EXCLUDED.content END, log.content, EXCLUDED.content),
      provider = COALESCE(EXCLUDED.provider, log.provider),
      provider_message_id = COALESCE(EXCLUDED.provider_message_id, log.provider_message_id),
      segments = COALESCE(EXCLUDED.segments, log.segments),
      encoding = COALESCE(EXCLUDED.encoding, log.encoding),
      error_code = COALESCE(EXCLUDED.error_code, log.error_code),
      error_class = COALESCE(EXCLUDED.error_class, log.error_class),
      updated_at = now()
  RETURNING log.id;
END
$$;

-- The same for one.
CREATE FUNCTION log_message_delivery(p_effect_key uuid, p_profile_id uuid, p_session_id uuid, p_channel text,
                                     p_direction text, p_kind text, p_status text, p_content text DEFAULT NULL,
                                     p_provider text DEFAULT NULL, p_provider_message_id text DEFAULT NULL,
                                     p_segments smallint DEFAULT NULL, p_encoding text DEFAULT NULL,
                                     p_error_code text DEFAULT NULL, p_error_class text DEFAULT NULL,
                                     p_source_event_id uuid DEFAULT NULL)
RETURNS uuid
LANGUAGE plpgsql AS $$
DECLARE
  r message_delivery_log;
BEGIN
  r.effect_key := p_effect_key;
  r.profile_id := p_profile_id;
  r.session_id := p_session_id;
  r.channel := p_channel;
  r.direction := p_direction;
  r.kind := p_kind;
  r.status := p_status;
  r.content := p_content;
  r.provider := p_provider;
  r.provider_message_id := p_provider_message_id;
  r.segments := p_segments;
  r.encoding := p_encoding;
  r.error_code := p_error_code;
  r.error_class := p_error_class;
  r.source_event_id := p_source_event_id;
  RETURN (SELECT id FROM log_message_deliveries(ARRAY[r]) AS id);
END
$$;

RESET ROLE;

-- migrate:down
DROP FUNCTION log_message_delivery(uuid, uuid, uuid, text, text, text, text, text, text, text, smallint, text, text, text, uuid);
DROP FUNCTION log_message_deliveries(message_delivery_log[]);
DROP TABLE message_delivery_log;
