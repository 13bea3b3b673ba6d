-- A message whose request was parked as a dead letter is logged as failed, with the error code `given_up`.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Writes messages down, each once for its effect key; their states move forward only: an answer that comes late does not
-- take back a later one. What failed because its request was given up may still be sent, when the request is redriven. Of
-- people who are gone nothing is written. Their ids.
CREATE OR REPLACE FUNCTION log_message_deliveries(p_rows message_delivery_log[]) RETURNS SETOF uuid
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
                         OR log.status = 'failed' AND log.error_code = 'given_up' AND EXCLUDED.status <> 'planned'
                    THEN EXCLUDED.status ELSE log.status END,
      content = COALESCE(CASE WHEN EXCLUDED.status <> 'planned' THEN EXCLUDED.content END, log.content, EXCLUDED.content),
      provider = COALESCE(EXCLUDED.provider, log.provider),
      provider_message_id = COALESCE(EXCLUDED.provider_message_id, log.provider_message_id),
      segments = COALESCE(EXCLUDED.segments, log.segments),
      encoding = COALESCE(EXCLUDED.encoding, log.encoding),
      error_code = COALESCE(EXCLUDED.error_code, CASE WHEN log.error_code <> 'given_up' OR EXCLUDED.status = 'planned'
                                                      THEN log.error_code END),
      error_class = COALESCE(EXCLUDED.error_class, CASE WHEN log.error_code IS DISTINCT FROM 'given_up'
                                                          OR EXCLUDED.status = 'planned' THEN log.error_class END),
      updated_at = now()
  RETURNING log.id;
END
$$;

-- Whether the worker was made to forget that it is done with a request, as a redrive of its dead letter does.
CREATE FUNCTION pipeline.request_is_forgotten(p_event_key uuid) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$ -- one in SQL is planned with every statement that calls it
BEGIN
  RETURN NOT EXISTS (SELECT FROM pipeline.inbox i
                     WHERE i.consumer = 'notify' AND i.run_id = '00000000-0000-0000-0000-000000000000'
                       AND i.event_id = p_event_key);
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION pipeline.request_is_forgotten(uuid);

-- Writes messages down, each once for its effect key; their states move forward only: an answer that comes late does not
-- take back a later one. Of people who are gone nothing is written. Their ids.
CREATE OR REPLACE FUNCTION log_message_deliveries(p_rows message_delivery_log[]) RETURNS SETOF uuid
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

RESET ROLE;
