-- The steps of a delivery, each one statement for its caller. Those that take many at once have a session make their plans
-- once, and for tables with rows in them, even if there are none yet.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Claimed by this process becomes dispatching: many at once, each for itself. `go` for those that may be sent now, `lost`
-- for those that another process has claimed or a receipt has settled, `capped` for those beyond their tenant's cap,
-- `opted_out` for those whose person has said STOP since they were claimed.
-- Asking again for what is dispatching already, by the same process and attempt, is `go` as well. What may go is the
-- process's own for another lease, which must last until its provider's answer can be there.
CREATE FUNCTION pipeline.dispatch_deliveries(p_effect_keys uuid[], p_attempts int[], p_claimed_by text, p_lease interval,
                                             p_cap numeric)
RETURNS TABLE (effect_key uuid, verdict text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  going uuid[] := '{}';
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
    IF verdict = 'go' THEN going := going || d.effect_key; END IF;
    RETURN NEXT;
  END LOOP;
  UPDATE pipeline.delivery l
  SET state = 'dispatching', dispatched_at = CASE l.state WHEN 'claimed' THEN now() ELSE l.dispatched_at END,
      lease_until = now() + p_lease, updated_at = now()
  WHERE l.effect_key = ANY (going);
END
$$;

-- Whoever writes or looks for a provider's message id waits here for others who do, until their transaction ends.
CREATE FUNCTION pipeline.lock_provider_message(p_provider text, p_provider_message_id text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  PERFORM pg_advisory_xact_lock(hashtextextended('delivery' || chr(10) || p_provider || chr(10) || p_provider_message_id, 0));
END
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

-- Whether it is this attempt of a delivery that a provider reports as failed. The first is the only one. What is accepted
-- has its own id. A later one that is on its way or in doubt has none yet: an id that is known already is an earlier
-- attempt's, and another one is its own unless an attempt whose id nobody knows may have been taken.
CREATE FUNCTION pipeline.failure_is_of_this_attempt(d pipeline.delivery, p_provider_message_id text) RETURNS boolean
LANGUAGE sql IMMUTABLE
RETURN d.attempt = 1 OR CASE d.state
  WHEN 'accepted' THEN COALESCE(p_provider_message_id = d.provider_message_id, NOT d.unsure)
  ELSE NOT d.unsure AND COALESCE(p_provider_message_id <> d.provider_message_id, d.provider_message_id IS NULL)
END;

-- What follows from deliveries' new states: the log that people see, the summaries that were sent, and what they tell of
-- the people. Contents in the order of the keys; NULL for one that is to stay as it is.
CREATE FUNCTION pipeline.note_deliveries(p_effect_keys uuid[], p_contents text[]) RETURNS void
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
  PERFORM pipeline.note_deliveries(ARRAY[p_effect_key], ARRAY[p_content]);
  RETURN entered;
END
$$;

-- The same for many, each for itself: for each the states it entered. What was sent and taken, as nearly all of it is,
-- is written down in one go.
CREATE FUNCTION pipeline.settle_deliveries(p_effect_keys uuid[], p_attempts int[], p_states text[],
                                           p_provider_message_ids text[], p_error_codes text[], p_error_classes text[],
                                           p_reasons text[], p_contents text[])
RETURNS TABLE (ordinal bigint, entered text[])
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  taken bigint[];
BEGIN
  PERFORM pipeline.lock_provider_message(m.provider, m.id)
  FROM (SELECT DISTINCT l.provider, a.id
        FROM unnest(p_effect_keys, p_provider_message_ids) AS a (effect_key, id) JOIN pipeline.delivery l USING (effect_key)
        WHERE a.id IS NOT NULL ORDER BY l.provider, a.id) AS m;
  WITH asked AS (
    SELECT a.*, count(*) OVER (PARTITION BY l.provider, a.message_id) = 1
                AND count(*) OVER (PARTITION BY a.effect_key) = 1 AS single, l.provider
    FROM unnest(p_effect_keys, p_attempts, p_states, p_provider_message_ids, p_error_codes, p_error_classes, p_reasons)
         WITH ORDINALITY AS a (effect_key, attempt, state, message_id, error_code, error_class, reason, ordinal)
         JOIN pipeline.delivery l USING (effect_key)
  ), expected AS (
    SELECT a.* FROM asked a JOIN pipeline.delivery l USING (effect_key)
    WHERE a.state = 'accepted' AND a.single AND l.state = 'dispatching' AND l.attempt = a.attempt
      AND NOT EXISTS (SELECT FROM pipeline.delivery o
                      WHERE o.provider = a.provider AND o.provider_message_id = a.message_id)
      AND NOT EXISTS (SELECT FROM pipeline.delivery_receipt r
                      WHERE r.provider = a.provider AND r.provider_message_id = a.message_id)
    ORDER BY effect_key FOR UPDATE OF l
  ), written AS (
    UPDATE pipeline.delivery l
    SET state = 'accepted', provider_message_id = e.message_id, accepted_at = now(), error_code = e.error_code,
        error_class = e.error_class, reason = e.reason, updated_at = now()
    FROM expected e WHERE l.effect_key = e.effect_key
    RETURNING e.ordinal
  )
  SELECT COALESCE(array_agg(w.ordinal), '{}') INTO taken FROM written w;
  PERFORM pipeline.note_deliveries(array_agg(p_effect_keys[t.i]), array_agg(p_contents[t.i])) FROM unnest(taken) AS t (i);
  RETURN QUERY SELECT t.i, ARRAY['accepted'] FROM unnest(taken) AS t (i);
  RETURN QUERY
    SELECT o.i, pipeline.settle_delivery(p_effect_keys[o.i], p_attempts[o.i], p_states[o.i], p_provider_message_ids[o.i],
                                         p_error_codes[o.i], p_error_classes[o.i], p_reasons[o.i], p_contents[o.i])
    FROM (SELECT i FROM generate_series(1::bigint, cardinality(p_effect_keys)) AS i WHERE i <> ALL (taken) ORDER BY i) AS o;
END
$$;

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
    PERFORM pipeline.note_deliveries(ARRAY[d.effect_key], NULL);
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
DROP FUNCTION pipeline.settle_deliveries(uuid[], int[], text[], text[], text[], text[], text[], text[]);
DROP FUNCTION pipeline.settle_delivery(uuid, int, text, text, text, text, text, text);
DROP FUNCTION pipeline.note_deliveries(uuid[], text[]);
DROP FUNCTION pipeline.failure_is_of_this_attempt(pipeline.delivery, text);
DROP FUNCTION pipeline.apply_receipt(uuid, text, timestamptz, text);
DROP FUNCTION pipeline.lock_provider_message(text, text);
DROP FUNCTION pipeline.dispatch_deliveries(uuid[], int[], text, interval, numeric);
