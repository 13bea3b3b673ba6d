-- The steps of a delivery, each one statement for its caller.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Claimed by this process becomes dispatching: many at once, each for itself. `go` for those that may be sent now, `lost`
-- for those that another process has claimed or a receipt has settled, `capped` for those beyond their tenant's cap,
-- `opted_out` for those whose person has said STOP since they were claimed.
-- Asking again for what is dispatching already, by the same process and attempt, is `go` as well.
CREATE FUNCTION pipeline.dispatch_deliveries(p_effect_keys uuid[], p_attempts int[], p_claimed_by text, p_cap numeric)
RETURNS TABLE (effect_key uuid, verdict text)
LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  d record;
  cap numeric;
BEGIN
  FOR d IN
    SELECT l.effect_key, l.domain, l.cost, l.state, l.claimed_by = p_claimed_by AND l.attempt = a.attempt AS mine,
           l.kind NOT IN ('opt_out', 'opt_in', 'help')
             AND CASE l.channel WHEN 'sms' THEN NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL
                                ELSE p.whatsapp_opt_out_at IS NOT NULL END AS unwanted
    FROM unnest(p_effect_keys, p_attempts) AS a (effect_key, attempt) JOIN pipeline.delivery l USING (effect_key)
         LEFT JOIN profiles p ON p.id = l.profile_id
    ORDER BY l.domain, l.effect_key FOR UPDATE OF l
  LOOP
    effect_key := d.effect_key;
    verdict := CASE WHEN d.mine AND d.state IN ('claimed', 'dispatching') THEN 'go' ELSE 'lost' END;
    IF verdict = 'go' AND d.unwanted AND d.state = 'claimed' THEN verdict := 'opted_out'; END IF;
    IF verdict = 'go' AND d.cost > 0 AND d.state = 'claimed' THEN
      SELECT COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = d.domain), p_cap) INTO cap;
      IF d.cost > COALESCE(cap, d.cost) THEN
        verdict := 'capped';
      ELSE
        INSERT INTO pipeline.spend AS s (domain, day, spent) VALUES (d.domain, today, d.cost)
        ON CONFLICT (domain, day) DO UPDATE SET spent = s.spent + excluded.spent
        WHERE s.spent + excluded.spent <= COALESCE(cap, s.spent + excluded.spent);
        IF NOT FOUND THEN verdict := 'capped'; END IF;
      END IF;
    END IF;
    IF verdict = 'go' AND d.state = 'claimed' THEN
      UPDATE pipeline.delivery l SET state = 'dispatching', dispatched_at = now(), updated_at = now()
      WHERE l.effect_key = d.effect_key;
    END IF;
    RETURN NEXT;
  END LOOP;
END
$$;

-- Whoever writes or looks for a provider's message id waits here for others who do, until their transaction ends.
CREATE FUNCTION pipeline.lock_provider_message(p_provider text, p_provider_message_id text) RETURNS void
LANGUAGE sql AS $$
  SELECT pg_advisory_xact_lock(hashtextextended('delivery' || chr(10) || p_provider || chr(10) || p_provider_message_id, 0))
$$;

-- Takes a receipt down on a delivery. The state it entered, or NULL where the receipt tells nothing new.
CREATE FUNCTION pipeline.apply_receipt(p_effect_key uuid, p_status text, p_occurred_at timestamptz, p_error_code text)
RETURNS text
LANGUAGE sql AS $$
  UPDATE pipeline.delivery d
  SET state = r.state,
      accepted_at = COALESCE(d.accepted_at, p_occurred_at),
      delivered_at = CASE WHEN r.state IN ('delivered', 'read') THEN COALESCE(d.delivered_at, p_occurred_at) END,
      read_at = CASE WHEN r.state = 'read' THEN p_occurred_at END,
      error_code = CASE WHEN r.state = 'failed' THEN p_error_code ELSE d.error_code END,
      error_class = CASE WHEN r.state = 'failed' THEN 'receipt' ELSE d.error_class END,
      reason = CASE WHEN r.state = 'failed' THEN 'the provider reports that it was not delivered' ELSE d.reason END,
      updated_at = now()
  FROM (SELECT CASE p_status WHEN 'sent' THEN 'accepted' ELSE p_status END AS state) AS r
  WHERE d.effect_key = p_effect_key AND r.state IN ('accepted', 'delivered', 'read', 'failed')
    AND pipeline.delivery_may_become(d.state, r.state)
    -- That an earlier attempt failed says nothing of the next one.
    AND (r.state <> 'failed' OR d.state IN ('dispatching', 'in_doubt', 'accepted'))
  RETURNING d.state
$$;

-- What follows from a delivery's new state: the log that people see, the summary that was sent, and what it tells of
-- the person.
CREATE FUNCTION pipeline.note_delivery(d pipeline.delivery, p_content text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM log_message_delivery(d.effect_key, d.profile_id, s.id, d.channel, 'outbound', d.kind,
                               CASE d.state WHEN 'accepted' THEN 'sent' ELSE d.state END, p_content, d.provider,
                               d.provider_message_id, d.segments, d.encoding, d.error_code, d.error_class, d.event_key)
  FROM (SELECT) AS one LEFT JOIN omnichannel_sessions s ON s.id = d.session_id;
  -- The person before the session, as whoever opens one locks them.
  IF d.channel = 'whatsapp' AND (d.state IN ('delivered', 'read') OR d.state = 'failed' AND d.error_code = '131026') THEN
    UPDATE profiles p SET has_whatsapp = d.state <> 'failed', updated_at = now()
    WHERE p.id = d.profile_id AND p.has_whatsapp IS DISTINCT FROM (d.state <> 'failed');
  END IF;
  IF d.kind = 'call_summary' AND d.state IN ('accepted', 'delivered', 'read') THEN
    UPDATE omnichannel_sessions s
    SET whatsapp_summary_sent = s.whatsapp_summary_sent OR d.channel = 'whatsapp',
        sms_summary_sent = s.sms_summary_sent OR d.channel = 'sms'
    WHERE s.id = d.session_id
      AND NOT CASE d.channel WHEN 'whatsapp' THEN s.whatsapp_summary_sent ELSE s.sms_summary_sent END;
  END IF;
END
$$;

-- Writes down how an attempt ended; `planned` is one that was refused and will be made again. The states it entered, in
-- order: with an acceptance come the receipts that were here before it. None where the delivery knew better already.
CREATE FUNCTION pipeline.settle_delivery(p_effect_key uuid, p_attempt int, p_state text, p_provider_message_id text,
                                         p_error_code text, p_error_class text, p_reason text, p_content text)
RETURNS text[]
LANGUAGE plpgsql AS $$
DECLARE
  d pipeline.delivery;
  kept record;
  entered text[] := '{}';
  message_id text := p_provider_message_id;
BEGIN
  IF message_id IS NOT NULL THEN
    SELECT * INTO d FROM pipeline.delivery l WHERE l.effect_key = p_effect_key;
    PERFORM pipeline.lock_provider_message(d.provider, message_id);
    -- An id that a provider gives twice is none: receipts by it would be another message's.
    IF EXISTS (SELECT FROM pipeline.delivery l
               WHERE l.provider = d.provider AND l.provider_message_id = message_id AND l.effect_key <> p_effect_key) THEN
      message_id := NULL;
    END IF;
  END IF;
  SELECT * INTO STRICT d FROM pipeline.delivery l WHERE l.effect_key = p_effect_key FOR UPDATE;
  -- That a provider took it is true whatever became of later attempts; the rest is of its own attempt only.
  IF d.attempt <> p_attempt AND p_state <> 'accepted' THEN
    RETURN entered;
  END IF;
  IF d.state = 'dispatching' AND p_state IN ('planned', 'failed') AND d.cost > 0 THEN -- refused, and not charged for
    UPDATE pipeline.spend s SET spent = GREATEST(s.spent - d.cost, 0)
    WHERE s.domain = d.domain AND s.day = (d.dispatched_at AT TIME ZONE 'UTC')::date;
  END IF;
  IF d.unsure AND p_state IN ('failed', 'skipped') THEN -- of this attempt; an earlier one may have arrived
    p_state := 'in_doubt';
  END IF;
  IF p_state = 'planned' THEN
    IF d.state <> 'dispatching' THEN
      RETURN entered;
    END IF;
    UPDATE pipeline.delivery l
    SET state = 'planned', attempt = l.attempt + 1, claimed_by = NULL, lease_until = NULL, error_code = p_error_code,
        error_class = p_error_class, reason = p_reason, updated_at = now()
    WHERE l.effect_key = p_effect_key;
    RETURN ARRAY['planned'];
  END IF;
  IF pipeline.delivery_may_become(d.state, p_state) THEN
    UPDATE pipeline.delivery l
    SET state = p_state, provider_message_id = COALESCE(message_id, l.provider_message_id),
        accepted_at = CASE WHEN p_state = 'accepted' THEN now() ELSE l.accepted_at END,
        error_code = p_error_code, error_class = p_error_class, reason = p_reason, updated_at = now()
    WHERE l.effect_key = p_effect_key;
    entered := ARRAY[p_state];
    IF p_state = 'accepted' THEN
      FOR kept IN
        DELETE FROM pipeline.delivery_receipt r WHERE r.provider = d.provider AND r.provider_message_id = message_id
        RETURNING r.status, r.occurred_at, r.error_code, pipeline.apply_receipt(p_effect_key, r.status, r.occurred_at, r.error_code) AS state
      LOOP
        IF kept.state IS NOT NULL AND kept.state <> 'accepted' THEN
          entered := entered || kept.state;
        END IF;
      END LOOP;
    END IF;
  ELSIF d.provider_message_id IS NULL AND message_id IS NOT NULL THEN
    UPDATE pipeline.delivery l SET provider_message_id = message_id WHERE l.effect_key = p_effect_key; -- for its receipts
  END IF;
  SELECT * INTO d FROM pipeline.delivery l WHERE l.effect_key = p_effect_key;
  PERFORM pipeline.note_delivery(d, p_content);
  RETURN entered;
END
$$;

-- Takes a receipt: on its delivery, known by our key or by the provider's id; kept where there is none yet. The delivery
-- with its state before and after, and no row where nothing moved.
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
  IF d.effect_key IS NULL THEN
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
  PERFORM pipeline.note_delivery(delivery, NULL);
  RETURN NEXT;
END
$$;

-- An operator's word on a delivery that is as they saw it, written down with who said so. To be sent again, the worker
-- forgets that it handled the request. What the request was; no row when the delivery has changed meanwhile.
CREATE FUNCTION pipeline.resolve_delivery(p_effect_key uuid, p_state text, p_attempt int, p_action text, p_actor text)
RETURNS TABLE (request_source text, request_id text, domain text, profile_id uuid, session_id uuid, channel text,
               kind text, content text)
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
DECLARE
  d pipeline.delivery;
BEGIN
  SELECT * INTO d FROM pipeline.delivery l
  WHERE l.effect_key = p_effect_key AND l.state = p_state AND l.attempt = p_attempt FOR UPDATE;
  IF NOT FOUND OR d.state NOT IN ('in_doubt', 'dispatching', 'failed') OR (d.state = 'failed' AND p_action <> 'resend') THEN
    RETURN;
  END IF;
  INSERT INTO pipeline.delivery_actions (effect_key, action, from_state, attempt, actor)
  VALUES (d.effect_key, p_action, d.state, d.attempt, p_actor);
  IF p_action = 'resend' THEN
    UPDATE pipeline.delivery l
    SET state = 'planned', attempt = l.attempt + 1, unsure = l.unsure OR d.state <> 'failed', claimed_by = NULL,
        lease_until = NULL, updated_at = now()
    WHERE l.effect_key = d.effect_key;
    DELETE FROM pipeline.inbox i
    WHERE i.consumer = 'notify' AND i.run_id = '00000000-0000-0000-0000-000000000000' AND i.event_id = d.event_key;
  ELSE
    UPDATE pipeline.delivery l
    SET state = p_action, accepted_at = CASE WHEN p_action = 'accepted' THEN now() END, error_class = 'operator',
        reason = 'an operator said so', updated_at = now()
    WHERE l.effect_key = d.effect_key RETURNING * INTO d;
    PERFORM pipeline.note_delivery(d, NULL);
  END IF;
  RETURN QUERY
    SELECT d.request_source, d.request_id, d.domain, d.profile_id, d.session_id, d.channel, d.kind, m.content
    FROM (SELECT) AS one LEFT JOIN message_delivery_log m ON m.effect_key = d.effect_key;
END
$$;

-- Whom a delivery is for, as much as an operator may see.
CREATE FUNCTION pipeline.masked_recipient(p_profile_id uuid) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
  SELECT CASE WHEN length(phone_number) > 7
              THEN left(phone_number, 5) || repeat('*', length(phone_number) - 7) || right(phone_number, 2) ELSE '***' END
  FROM profiles WHERE id = p_profile_id
$$;
REVOKE EXECUTE ON FUNCTION pipeline.masked_recipient(uuid) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.masked_recipient(uuid) TO omnibus_operator, omnibus_readonly;
REVOKE EXECUTE ON FUNCTION pipeline.resolve_delivery(uuid, text, int, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.resolve_delivery(uuid, text, int, text, text) TO omnibus_operator;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.masked_recipient(uuid);
DROP FUNCTION pipeline.resolve_delivery(uuid, text, int, text, text);
DROP FUNCTION pipeline.receive_receipt(text, text, uuid, text, timestamptz, text);
DROP FUNCTION pipeline.settle_delivery(uuid, int, text, text, text, text, text, text);
DROP FUNCTION pipeline.note_delivery(pipeline.delivery, text);
DROP FUNCTION pipeline.apply_receipt(uuid, text, timestamptz, text);
DROP FUNCTION pipeline.lock_provider_message(text, text);
DROP FUNCTION pipeline.dispatch_deliveries(uuid[], int[], text, numeric);
