-- People as providers know them: one profile for a number that WhatsApp spells differently, senders of SMS that are no
-- number, and what a provider says of a person for good.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

ALTER TABLE profiles
  ADD COLUMN sms_sender text,
  ADD COLUMN has_sms    boolean,
  ADD UNIQUE (domain, sms_sender),
  DROP CONSTRAINT profiles_check,
  ADD CONSTRAINT profiles_check
    CHECK (phone_number IS NOT NULL OR whatsapp_user_id IS NOT NULL OR sms_sender IS NOT NULL);
COMMENT ON COLUMN profiles.whatsapp_jid IS 'A JID as WhatsApp Web writes it, or a wa_id: messages go to its digits, which may spell the number differently.';
COMMENT ON COLUMN profiles.sms_sender IS 'A short code or a name that sends SMS. It cannot be answered.';
COMMENT ON COLUMN profiles.has_sms IS 'False if a provider says that the number cannot get SMS, until an SMS comes from it.';

-- Mobile numbers that were stored as WhatsApp spells them, and their current spelling: see messaging/phone_number.cpp.
CREATE TEMPORARY TABLE respelled ON COMMIT DROP AS
SELECT o.id, o.domain, o.phone_number AS old_number, o.current, n.id AS other
FROM (SELECT p.id, p.domain, p.phone_number, CASE
        WHEN p.phone_number ~ '^\+55[1-9][1-9][6-9][0-9]{7}$' THEN left(p.phone_number, 5) || '9' || substr(p.phone_number, 6)
        WHEN p.phone_number ~ '^\+54(11|[23][0-9])[0-9]{8}$' THEN '+549' || substr(p.phone_number, 4)
        WHEN p.phone_number ~ '^\+521[0-9]{10}$' THEN '+52' || substr(p.phone_number, 5) END AS current
      FROM profiles p) AS o
LEFT JOIN profiles n ON n.domain = o.domain AND n.phone_number = o.current
WHERE o.current IS NOT NULL;
UPDATE profiles p
SET phone_number = r.current, updated_at = now(),
    whatsapp_jid = COALESCE(p.whatsapp_jid, CASE WHEN p.last_whatsapp_inbound_at IS NOT NULL THEN substr(r.old_number, 2) END)
FROM respelled r WHERE p.id = r.id AND r.other IS NULL;
-- A person with two profiles keeps both histories. The profile that is used from now on takes over what the person
-- has said and where WhatsApp finds them.
UPDATE profiles p
SET allows_sms = p.allows_sms AND o.allows_sms, sms_opt_out_at = COALESCE(p.sms_opt_out_at, o.sms_opt_out_at),
    whatsapp_opt_out_at = COALESCE(p.whatsapp_opt_out_at, o.whatsapp_opt_out_at),
    has_whatsapp = COALESCE(p.has_whatsapp OR o.has_whatsapp, p.has_whatsapp, o.has_whatsapp),
    last_whatsapp_inbound_at = greatest(p.last_whatsapp_inbound_at, o.last_whatsapp_inbound_at),
    whatsapp_jid = COALESCE(p.whatsapp_jid, o.whatsapp_jid,
                            CASE WHEN o.last_whatsapp_inbound_at IS NOT NULL THEN substr(r.old_number, 2) END),
    updated_at = now()
FROM respelled r JOIN profiles o ON o.id = r.id WHERE p.id = r.other;

-- What a provider's refusal says of the person, whatever the message: `opted_out`, or `unreachable` over the channel.
-- MTN publishes no such codes.
CREATE FUNCTION pipeline.lasting_refusal(p_provider text, p_error_code text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE p_provider
  WHEN 'twilio_sms' THEN CASE
    WHEN p_error_code = '21610' THEN 'opted_out'
    -- not a valid number, a short code, not a mobile number, a landline, an unknown handset, a landline
    WHEN p_error_code IN ('21211', '21265', '21614', '21635', '30006') THEN 'unreachable' END
  WHEN 'whatsapp_cloud' THEN CASE p_error_code
    WHEN '131050' THEN 'opted_out'
    WHEN '131026' THEN 'unreachable' END
END;

-- What follows from deliveries' new states: the log that people see, the summaries that were sent, and what they tell of
-- the people. Contents in the order of the keys; NULL for one that is to stay as it is.
CREATE OR REPLACE FUNCTION pipeline.note_deliveries(p_effect_keys uuid[], p_contents text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_message_deliveries(array_agg((NULL, d.domain, d.profile_id, s.id, d.channel, 'outbound', d.kind,
      CASE d.state WHEN 'accepted' THEN 'sent' ELSE d.state END, a.content, d.provider, d.provider_message_id, d.segments,
      d.encoding, d.error_code, d.error_class, d.event_key, d.effect_key, NULL, NULL)::message_delivery_log))
  FROM unnest(p_effect_keys, p_contents) AS a (effect_key, content) JOIN pipeline.delivery d USING (effect_key)
       LEFT JOIN omnichannel_sessions s ON s.id = d.session_id;
  -- The person before the session, as whoever opens one locks them.
  UPDATE profiles p SET has_whatsapp = d.state <> 'failed', updated_at = now()
  FROM pipeline.delivery d
  WHERE d.effect_key = ANY (p_effect_keys) AND d.channel = 'whatsapp'
    AND (d.state IN ('delivered', 'read') OR d.state = 'failed' AND pipeline.lasting_refusal(d.provider, d.error_code) = 'unreachable')
    AND p.id = d.profile_id AND p.has_whatsapp IS DISTINCT FROM (d.state <> 'failed');
  -- What a provider says of the person for good; a refusal counts also where an earlier attempt is in doubt.
  UPDATE profiles p
  SET allows_sms = p.allows_sms AND NOT t.sms_opted_out,
      sms_opt_out_at = COALESCE(p.sms_opt_out_at, CASE WHEN t.sms_opted_out THEN now() END),
      has_sms = CASE WHEN t.no_sms THEN false ELSE p.has_sms END,
      whatsapp_opt_out_at = COALESCE(p.whatsapp_opt_out_at, CASE WHEN t.whatsapp_opted_out THEN now() END),
      updated_at = now()
  FROM (SELECT r.profile_id, bool_or(r.channel = 'sms' AND r.refusal = 'opted_out') AS sms_opted_out,
               bool_or(r.channel = 'sms' AND r.refusal = 'unreachable') AS no_sms,
               bool_or(r.channel = 'whatsapp' AND r.refusal = 'opted_out') AS whatsapp_opted_out
        FROM (SELECT d.profile_id, d.channel, pipeline.lasting_refusal(d.provider, d.error_code) AS refusal
              FROM pipeline.delivery d
              WHERE d.effect_key = ANY (p_effect_keys) AND d.state IN ('failed', 'in_doubt')
                AND d.error_code IS NOT NULL) AS r
        WHERE r.refusal IS NOT NULL
        GROUP BY r.profile_id) AS t
  WHERE p.id = t.profile_id;
  UPDATE omnichannel_sessions s
  SET whatsapp_summary_sent = s.whatsapp_summary_sent OR t.whatsapp, sms_summary_sent = s.sms_summary_sent OR t.sms
  FROM (SELECT d.session_id, bool_or(d.channel = 'whatsapp') AS whatsapp, bool_or(d.channel = 'sms') AS sms
        FROM pipeline.delivery d
        WHERE d.effect_key = ANY (p_effect_keys) AND d.kind = 'call_summary' AND d.state IN ('accepted', 'delivered', 'read')
        GROUP BY d.session_id) AS t
  WHERE s.id = t.session_id
    AND (t.whatsapp AND NOT s.whatsapp_summary_sent OR t.sms AND NOT s.sms_summary_sent);
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

-- What follows from deliveries' new states: the log that people see, the summaries that were sent, and what they tell of
-- the people. Contents in the order of the keys; NULL for one that is to stay as it is.
CREATE OR REPLACE FUNCTION pipeline.note_deliveries(p_effect_keys uuid[], p_contents text[]) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_message_deliveries(array_agg((NULL, d.domain, d.profile_id, s.id, d.channel, 'outbound', d.kind,
      CASE d.state WHEN 'accepted' THEN 'sent' ELSE d.state END, a.content, d.provider, d.provider_message_id, d.segments,
      d.encoding, d.error_code, d.error_class, d.event_key, d.effect_key, NULL, NULL)::message_delivery_log))
  FROM unnest(p_effect_keys, p_contents) AS a (effect_key, content) JOIN pipeline.delivery d USING (effect_key)
       LEFT JOIN omnichannel_sessions s ON s.id = d.session_id;
  -- The person before the session, as whoever opens one locks them.
  UPDATE profiles p SET has_whatsapp = d.state <> 'failed', updated_at = now()
  FROM pipeline.delivery d
  WHERE d.effect_key = ANY (p_effect_keys) AND d.channel = 'whatsapp'
    AND (d.state IN ('delivered', 'read') OR d.state = 'failed' AND d.error_code = '131026')
    AND p.id = d.profile_id AND p.has_whatsapp IS DISTINCT FROM (d.state <> 'failed');
  UPDATE omnichannel_sessions s
  SET whatsapp_summary_sent = s.whatsapp_summary_sent OR t.whatsapp, sms_summary_sent = s.sms_summary_sent OR t.sms
  FROM (SELECT d.session_id, bool_or(d.channel = 'whatsapp') AS whatsapp, bool_or(d.channel = 'sms') AS sms
        FROM pipeline.delivery d
        WHERE d.effect_key = ANY (p_effect_keys) AND d.kind = 'call_summary' AND d.state IN ('accepted', 'delivered', 'read')
        GROUP BY d.session_id) AS t
  WHERE s.id = t.session_id
    AND (t.whatsapp AND NOT s.whatsapp_summary_sent OR t.sms AND NOT s.sms_summary_sent);
END
$$;

DROP FUNCTION pipeline.lasting_refusal(text, text);
DELETE FROM profiles WHERE phone_number IS NULL AND whatsapp_user_id IS NULL;
ALTER TABLE profiles
  DROP COLUMN sms_sender,
  DROP COLUMN has_sms,
  DROP CONSTRAINT IF EXISTS profiles_check,
  ADD CONSTRAINT profiles_check CHECK (phone_number IS NOT NULL OR whatsapp_user_id IS NOT NULL);
COMMENT ON COLUMN profiles.whatsapp_jid IS 'As WhatsApp Web writes it, kept as given; the Cloud API addresses its digits.';

RESET ROLE;
