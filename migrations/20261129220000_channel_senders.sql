-- Senders belong to tenants: a tenant's messages go out from its own number, and what comes to the number is the tenant's.
-- A tenant without one uses the sender of the settings.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE channel_senders (
  id         uuid        PRIMARY KEY DEFAULT gen_random_uuid(),
  domain     text        NOT NULL REFERENCES tenants,
  channel    text        NOT NULL,
  provider   text        NOT NULL,
  account    text        NOT NULL DEFAULT '' CHECK (account ~ '^[A-Za-z0-9._-]{0,64}$'),
  sender     text        NOT NULL CHECK (sender ~ '^(\+[1-9][0-9]{7,14}|[A-Za-z0-9][A-Za-z0-9 ._-]{0,63})$'),
  secrets    text[]      NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK ((channel, provider) IN (('sms', 'twilio_sms'), ('sms', 'mtn_sms'), ('whatsapp', 'whatsapp_cloud'))),
  CONSTRAINT channel_senders_one_per_tenant UNIQUE (domain, channel)
);
COMMENT ON TABLE channel_senders IS 'From where the messages of each tenant go out, and where answers to them come in.';
COMMENT ON COLUMN channel_senders.account IS 'The provider''s id of the account: the SID at Twilio, the service code at MTN.';
COMMENT ON COLUMN channel_senders.sender IS 'A number in E.164, a short code, a name, or the provider''s id of a number or of a service.';
COMMENT ON COLUMN channel_senders.secrets IS 'role=name: names of files in SENDER_SECRETS. The secrets themselves are never in the database.';
-- Providers write a number with and without its plus.
CREATE UNIQUE INDEX channel_senders_by_sender ON channel_senders (channel, ltrim(sender, '+'));

ALTER TABLE channel_senders ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON channel_senders TO omnibus_owner, omnibus_notify, omnibus_replay, omnibus_readonly, omnibus_operator
  USING (true) WITH CHECK (true);
CREATE POLICY administration ON channel_senders TO omnibus_admin USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON channel_senders TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
GRANT SELECT, INSERT, UPDATE, DELETE ON channel_senders TO omnibus_admin;
GRANT SELECT ON channel_senders TO omnibus_gateway, omnibus_notify, omnibus_replay, omnibus_readonly, omnibus_operator;

-- With the owner's rights: a webhook's tenant is not known before its number was found.
CREATE FUNCTION list_channel_senders()
RETURNS TABLE (id uuid, domain text, channel text, provider text, account text, sender text, secrets text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT s.id, s.domain, s.channel, s.provider, s.account, s.sender, s.secrets FROM channel_senders s ORDER BY s.id
$$;
COMMENT ON FUNCTION list_channel_senders IS 'All senders, for processes that keep them in memory.';
REVOKE EXECUTE ON FUNCTION list_channel_senders() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION list_channel_senders() TO omnibus_gateway, omnibus_notify;

ALTER TABLE pipeline.delivery ADD COLUMN sender_id uuid;
COMMENT ON COLUMN pipeline.delivery.sender_id IS 'The tenant''s sender it went out from; NULL: that of the settings.';

-- For the doctor. With the owner's rights, as an operator does not read tenants.
CREATE FUNCTION pipeline.sender_state()
RETURNS TABLE (unserved text[], sharing text[], orphaned text[])
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  WITH recent AS (
    SELECT d.domain, d.channel, bool_or(d.provider = 'none') AS unserved, bool_or(d.provider <> 'none') AS served
    FROM pipeline.delivery d
    WHERE d.updated_at > now() - interval '7 days' AND d.sender_id IS NULL
      AND NOT EXISTS (SELECT FROM channel_senders s WHERE s.domain = d.domain AND s.channel = d.channel)
    GROUP BY d.domain, d.channel
  )
  SELECT ARRAY(SELECT format('%s (%s)', r.domain, r.channel) FROM recent r WHERE r.unserved AND NOT r.served ORDER BY 1),
         ARRAY(SELECT format('%s (%s)', r.domain, r.channel) FROM recent r
               WHERE r.served AND EXISTS (SELECT FROM recent o WHERE o.served AND o.channel = r.channel AND o.domain <> r.domain)
               ORDER BY 1),
         ARRAY(SELECT format('%s of %s', s.sender, s.domain) FROM channel_senders s
               WHERE NOT EXISTS (SELECT FROM tenants t WHERE t.domain = s.domain AND t.status = 'active') ORDER BY 1)
$$;
COMMENT ON FUNCTION pipeline.sender_state IS 'Tenants with messages of the last 7 days and no sender, tenants that share the sender of the settings, and senders without an active tenant.';
REVOKE EXECUTE ON FUNCTION pipeline.sender_state() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.sender_state() TO omnibus_operator, omnibus_readonly;

DROP FUNCTION pipeline.receive_receipt(text, text, uuid, text, timestamptz, text);
-- Takes a receipt: on its delivery, known by our key or by the provider's id; kept where there is none yet, or where a
-- failure may be of an earlier attempt: should this one be accepted under that id, it is this one's. A receipt that came to a
-- tenant's sender counts for that tenant's deliveries only, one that came to the sender of the settings (p_domain is NULL) for
-- what went out from there. The delivery with its state before and after, and no row where nothing moved.
CREATE FUNCTION pipeline.receive_receipt(p_provider text, p_provider_message_id text, p_effect_key uuid, p_status text,
                                         p_occurred_at timestamptz, p_error_code text, p_domain text)
RETURNS TABLE (before text, delivery pipeline.delivery)
LANGUAGE plpgsql AS $$
DECLARE
  d pipeline.delivery;
BEGIN
  IF p_provider_message_id IS NOT NULL THEN
    PERFORM pipeline.lock_provider_message(p_provider, p_provider_message_id);
  END IF;
  SELECT * INTO d FROM pipeline.delivery l WHERE l.effect_key = p_effect_key FOR UPDATE;
  IF d.effect_key IS NULL AND p_provider_message_id IS NOT NULL THEN
    SELECT * INTO d FROM pipeline.delivery l
    WHERE l.provider = p_provider AND l.provider_message_id = p_provider_message_id FOR UPDATE;
  END IF;
  -- Nor is a tenant's kept for a message that is to come: its senders return our key, which is known before they have it.
  IF NOT COALESCE(p_domain = d.domain, p_domain IS NULL AND d.sender_id IS NULL) THEN
    RETURN;
  END IF;
  IF d.effect_key IS NULL OR (p_status = 'failed' AND NOT pipeline.failure_is_of_this_attempt(d, p_provider_message_id)) THEN
    IF p_provider_message_id IS NOT NULL AND p_status <> 'unknown' THEN
      DELETE FROM pipeline.delivery_receipt r
      WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM pipeline.delivery_receipt o
                                WHERE o.received_at < now() - interval '14 days' LIMIT 10));
      INSERT INTO pipeline.delivery_receipt (provider, provider_message_id, status, error_code, occurred_at)
      VALUES (p_provider, p_provider_message_id, p_status, p_error_code, p_occurred_at) ON CONFLICT DO NOTHING;
    END IF;
    RETURN;
  END IF;
  IF d.provider_message_id IS NULL AND p_provider_message_id IS NOT NULL AND d.provider = p_provider
     AND NOT EXISTS (SELECT FROM pipeline.delivery l
                     WHERE l.provider = p_provider AND l.provider_message_id = p_provider_message_id) THEN
    UPDATE pipeline.delivery l SET provider_message_id = p_provider_message_id WHERE l.effect_key = d.effect_key;
  END IF;
  IF pipeline.apply_receipt(d.effect_key, p_status, p_occurred_at, p_error_code) IS NULL THEN
    RETURN;
  END IF;
  before := d.state;
  SELECT * INTO delivery FROM pipeline.delivery l WHERE l.effect_key = d.effect_key;
  PERFORM pipeline.note_deliveries(ARRAY[d.effect_key], NULL);
  RETURN NEXT;
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION pipeline.receive_receipt(text, text, uuid, text, timestamptz, text, text);
-- Takes a receipt: on its delivery, known by our key or by the provider's id; kept where there is none yet, or where a
-- failure may be of an earlier attempt: should this one be accepted under that id, it is this one's. The delivery with
-- its state before and after, and no row where nothing moved.
CREATE FUNCTION pipeline.receive_receipt(p_provider text, p_provider_message_id text, p_effect_key uuid, p_status text,
                                         p_occurred_at timestamptz, p_error_code text)
RETURNS TABLE (before text, delivery pipeline.delivery)
LANGUAGE plpgsql AS $$
DECLARE
  d pipeline.delivery;
BEGIN
  IF p_provider_message_id IS NOT NULL THEN
    PERFORM pipeline.lock_provider_message(p_provider, p_provider_message_id);
  END IF;
  SELECT * INTO d FROM pipeline.delivery l WHERE l.effect_key = p_effect_key FOR UPDATE;
  IF d.effect_key IS NULL AND p_provider_message_id IS NOT NULL THEN
    SELECT * INTO d FROM pipeline.delivery l
    WHERE l.provider = p_provider AND l.provider_message_id = p_provider_message_id FOR UPDATE;
  END IF;
  IF d.effect_key IS NULL OR (p_status = 'failed' AND NOT pipeline.failure_is_of_this_attempt(d, p_provider_message_id)) THEN
    IF p_provider_message_id IS NOT NULL AND p_status <> 'unknown' THEN
      DELETE FROM pipeline.delivery_receipt r
      WHERE r.ctid = ANY (ARRAY(SELECT o.ctid FROM pipeline.delivery_receipt o
                                WHERE o.received_at < now() - interval '14 days' LIMIT 10));
      INSERT INTO pipeline.delivery_receipt (provider, provider_message_id, status, error_code, occurred_at)
      VALUES (p_provider, p_provider_message_id, p_status, p_error_code, p_occurred_at) ON CONFLICT DO NOTHING;
    END IF;
    RETURN;
  END IF;
  IF d.provider_message_id IS NULL AND p_provider_message_id IS NOT NULL AND d.provider = p_provider
     AND NOT EXISTS (SELECT FROM pipeline.delivery l
                     WHERE l.provider = p_provider AND l.provider_message_id = p_provider_message_id) THEN
    UPDATE pipeline.delivery l SET provider_message_id = p_provider_message_id WHERE l.effect_key = d.effect_key;
  END IF;
  IF pipeline.apply_receipt(d.effect_key, p_status, p_occurred_at, p_error_code) IS NULL THEN
    RETURN;
  END IF;
  before := d.state;
  SELECT * INTO delivery FROM pipeline.delivery l WHERE l.effect_key = d.effect_key;
  PERFORM pipeline.note_deliveries(ARRAY[d.effect_key], NULL);
  RETURN NEXT;
END
$$;
DROP FUNCTION pipeline.sender_state();
ALTER TABLE pipeline.delivery DROP COLUMN sender_id;
DROP FUNCTION list_channel_senders();
DROP TABLE channel_senders;
RESET ROLE;
