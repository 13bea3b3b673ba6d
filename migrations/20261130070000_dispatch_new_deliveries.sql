-- A message that is new and can leave at once is planned and dispatched in one transaction, with one version of its row less:
-- it is looked at first, which writes nothing. Only one that has to wait, or ends without leaving, is planned by itself.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE FUNCTION pipeline.answers_keyword(p_effect_key uuid, p_profile_id uuid, p_kind text) RETURNS boolean
LANGUAGE sql STABLE
BEGIN ATOMIC
  SELECT EXISTS (SELECT FROM public.message_delivery_log m
                 WHERE m.effect_key = p_effect_key AND m.kind = p_kind AND m.profile_id = p_profile_id);
END;
COMMENT ON FUNCTION pipeline.answers_keyword IS 'Whoever may write to Kafka may call a message the answer to STOP, which reaches those who opted out. The worker that obeyed the STOP also wrote the answer into the log.';

-- `d` is the delivery as it is: there is none for a message that nobody has planned.
CREATE FUNCTION pipeline.look_at_deliveries(p_effect_keys uuid[], p_event_keys uuid[], p_domains text[], p_profile_ids uuid[],
                                            p_kinds text[], p_claimed_by text)
RETURNS TABLE (ordinal bigint, tenant_status text, known_person boolean, state text, kind text, attempt int, claimed boolean,
               phone_number text, whatsapp_jid text, whatsapp_user_id text, has_whatsapp boolean, has_sms boolean,
               sms_opted_out boolean, whatsapp_opted_out boolean, last_whatsapp_inbound_ms bigint, dispatched_at bigint,
               content text, others_lease bigint, messages bigint, call_summaries bigint, provider text, sender_id uuid,
               answer_state text, provider_message_id text, error_code text, error_class text, reason text)
LANGUAGE plpgsql STABLE SET plan_cache_mode = force_generic_plan -- planned once, for tables that grow
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  SELECT a.ordinal, t.status AS tenant_status, p.id IS NOT NULL AS known_person, d.state,
         CASE WHEN d.kind IS NOT NULL THEN d.kind
              WHEN a.kind IN ('opt_out', 'opt_in', 'help') AND NOT pipeline.answers_keyword(a.effect_key, a.profile_id, a.kind)
              THEN 'message' ELSE a.kind END AS kind, COALESCE(d.attempt, 1) AS attempt,
         d.effect_key IS NULL OR d.state = 'claimed' AND d.claimed_by = p_claimed_by AS claimed,
         p.phone_number, p.whatsapp_jid, p.whatsapp_user_id, p.has_whatsapp, p.has_sms,
         COALESCE(NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL, false) AS sms_opted_out,
         p.whatsapp_opt_out_at IS NOT NULL AS whatsapp_opted_out,
         floor(EXTRACT(EPOCH FROM p.last_whatsapp_inbound_at) * 1000)::bigint AS last_whatsapp_inbound_ms,
         floor(EXTRACT(EPOCH FROM d.dispatched_at) * 1000)::bigint AS dispatched_at,
         (SELECT l.content FROM message_delivery_log l WHERE d.attempt > 1 AND l.effect_key = a.effect_key) AS content,
         CASE WHEN d.claimed_by <> p_claimed_by THEN floor(EXTRACT(EPOCH FROM d.lease_until - now()) * 1000)::bigint
         END AS others_lease,
         s.messages, s.call_summaries, d.provider, d.sender_id, w.state AS answer_state, w.provider_message_id,
         w.error_code, w.error_class, w.reason
  FROM unnest(p_effect_keys, p_event_keys, p_domains, p_profile_ids, p_kinds)
         WITH ORDINALITY AS a (effect_key, event_key, domain, profile_id, kind, ordinal)
  LEFT JOIN tenants t ON t.domain = a.domain
  LEFT JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
  LEFT JOIN pipeline.delivery d ON d.effect_key = a.effect_key
  LEFT JOIN LATERAL jsonb_to_record(d.answer) AS w (attempt int, state text, provider_message_id text, error_code text,
                                                    error_class text, reason text) ON w.attempt = d.attempt
  CROSS JOIN LATERAL (
    SELECT count(*) AS messages, count(DISTINCT s.event_key) FILTER (WHERE s.kind = 'call_summary') AS call_summaries
    FROM pipeline.delivery s
    WHERE s.profile_id = a.profile_id AND s.planned_at > now() - interval '2 days'
      AND s.dispatched_at > now() - interval '1 day' AND s.event_key <> a.event_key
      AND s.state NOT IN ('planned', 'claimed', 'skipped', 'failed')) AS s
  ORDER BY a.ordinal;
END
$$;
COMMENT ON FUNCTION pipeline.look_at_deliveries IS 'Deliveries as they are, each with its recipient. Writes nothing. `claimed`: this claimant may dispatch it, perhaps since nobody has planned it.';

-- Sorted, so that two processes with the same deliveries wait for one another instead of deadlocking. A delivery given up
-- with its request is claimed again if the worker's record of the request was removed, as by a redrive.
CREATE OR REPLACE FUNCTION pipeline.open_deliveries(p_effect_keys uuid[], p_event_keys uuid[], p_request_sources text[],
                                         p_request_ids text[], p_domains text[], p_profile_ids uuid[], p_session_ids uuid[], p_channels text[],
                                         p_providers text[], p_kinds text[], p_segments smallint[], p_encodings text[],
                                         p_costs numeric[], p_sender_ids uuid[], p_claimed_by text, p_lease interval)
RETURNS TABLE (ordinal bigint, tenant_status text, known_person boolean, state text, kind text, attempt int, claimed boolean,
               phone_number text, whatsapp_jid text, whatsapp_user_id text, has_whatsapp boolean, has_sms boolean,
               sms_opted_out boolean, whatsapp_opted_out boolean, last_whatsapp_inbound_ms bigint, dispatched_at bigint,
               content text, others_lease bigint, messages bigint, call_summaries bigint, provider text, sender_id uuid,
               answer_state text, provider_message_id text, error_code text, error_class text, reason text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan -- planned once, for tables that grow
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  INSERT INTO pipeline.delivery AS d
    (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel, provider, kind,
     segments, encoding, cost, sender_id, state, claimed_by, lease_until)
  SELECT a.effect_key, a.event_key, a.request_source, a.request_id, a.domain, a.profile_id, a.session_id, a.channel, a.provider,
         CASE WHEN a.kind IN ('opt_out', 'opt_in', 'help') AND NOT pipeline.answers_keyword(a.effect_key, a.profile_id, a.kind)
         THEN 'message' ELSE a.kind END,
         a.segments, a.encoding, a.cost, a.sender_id, 'claimed', p_claimed_by, now() + p_lease
  FROM unnest(p_effect_keys, p_event_keys, p_request_sources, p_request_ids, p_domains, p_profile_ids, p_session_ids,
              p_channels, p_providers, p_kinds, p_segments, p_encodings, p_costs, p_sender_ids)
         AS a (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel, provider, kind,
               segments, encoding, cost, sender_id)
       JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
       JOIN tenants t ON t.domain = a.domain AND t.status = 'active'
  ORDER BY a.effect_key
  ON CONFLICT (effect_key) DO UPDATE
  SET state = 'claimed', attempt = d.attempt + CASE d.state WHEN 'failed' THEN 1 ELSE 0 END,
      claimed_by = excluded.claimed_by, lease_until = excluded.lease_until, provider = excluded.provider,
      sender_id = excluded.sender_id, updated_at = now()
  WHERE d.state = 'planned'
     OR d.state = 'claimed' AND (d.lease_until <= now() OR d.claimed_by = excluded.claimed_by)
     OR d.state = 'failed' AND d.error_code = 'given_up' AND pipeline.request_is_forgotten(d.event_key);
  RETURN QUERY SELECT * FROM pipeline.look_at_deliveries(p_effect_keys, p_event_keys, p_domains, p_profile_ids, p_kinds, p_claimed_by);
END
$$;

-- Of each tenant either all fit below its cap and are dispatched, or they are claimed and dispatched one by one, as are those
-- that may have been unwanted since, or were planned before. Of these may go what this claimant has dispatched: whoever
-- did not hear of its commit asks again. Without a tenant or a person a delivery is not among the results.
CREATE FUNCTION pipeline.dispatch_new_deliveries(p_effect_keys uuid[], p_event_keys uuid[], p_request_sources text[],
                                                 p_request_ids text[], p_domains text[], p_profile_ids uuid[], p_session_ids uuid[],
                                                 p_channels text[], p_providers text[], p_kinds text[], p_segments smallint[],
                                                 p_encodings text[], p_costs numeric[], p_sender_ids uuid[], p_claimed_by text,
                                                 p_lease interval, p_cap numeric, p_subject_keys text[])
RETURNS TABLE (effect_key uuid, verdict text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  together uuid[];
  single uuid[];
  unused_domains text[];
  unused_costs numeric[];
BEGIN
  -- Deliveries before what was spent, as wherever both are locked.
  PERFORM FROM pipeline.delivery l WHERE l.effect_key = ANY (p_effect_keys) ORDER BY l.effect_key FOR UPDATE;
  WITH trusted AS (
    SELECT a.*, CASE WHEN a.kind IN ('opt_out', 'opt_in', 'help')
                      AND NOT pipeline.answers_keyword(a.effect_key, a.profile_id, a.kind)
                     THEN 'message' ELSE a.kind END AS trusted_kind
    FROM unnest(p_effect_keys, p_event_keys, p_request_sources, p_request_ids, p_domains, p_profile_ids, p_session_ids,
                p_channels, p_providers, p_kinds, p_segments, p_encodings, p_costs, p_sender_ids, p_subject_keys)
           AS a (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel, provider, kind,
                 segments, encoding, cost, sender_id, subject_keys)
  ), asked AS MATERIALIZED (
    SELECT a.*, a.trusted_kind NOT IN ('opt_out', 'opt_in', 'help')
                AND (CASE a.channel WHEN 'sms' THEN NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL
                                    ELSE p.whatsapp_opt_out_at IS NOT NULL END
                     OR EXISTS (SELECT FROM suppressions o
                                WHERE o.domain = a.domain AND o.channel = a.channel
                                  AND o.subject_key = ANY (string_to_array(a.subject_keys, ' ') || p.subject_key::text))) AS unwanted
    FROM trusted a JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
                   JOIN tenants t ON t.domain = a.domain AND t.status = 'active'
  ), paid AS (
    INSERT INTO pipeline.spend AS s (domain, day, spent)
    SELECT c.domain, today, c.cost
    FROM (SELECT a.domain, sum(a.cost) AS cost,
                 COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = a.domain), p_cap) AS per_day
          FROM asked a WHERE NOT a.unwanted AND a.cost > 0 GROUP BY a.domain) AS c
    WHERE c.cost <= COALESCE(c.per_day, c.cost)
    ORDER BY c.domain
    ON CONFLICT (domain, day) DO UPDATE SET spent = s.spent + excluded.spent
    WHERE s.spent + excluded.spent <= COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = excluded.domain), p_cap,
                                               s.spent + excluded.spent)
    RETURNING s.domain
  ), judged AS MATERIALIZED (
    SELECT a.*, NOT a.unwanted AND (a.cost = 0 OR a.domain IN (SELECT p.domain FROM paid p)) AS goes FROM asked a
  ), planned AS (
    INSERT INTO pipeline.delivery
      (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel, provider, kind,
       segments, encoding, cost, sender_id, state, dispatched_at, claimed_by, lease_until)
    SELECT a.effect_key, a.event_key, a.request_source, a.request_id, a.domain, a.profile_id, a.session_id, a.channel,
           a.provider, a.trusted_kind, a.segments, a.encoding, a.cost, a.sender_id,
           CASE WHEN a.goes THEN 'dispatching' ELSE 'claimed' END, CASE WHEN a.goes THEN now() END, p_claimed_by, now() + p_lease
    FROM judged a
    ORDER BY a.effect_key
    ON CONFLICT (effect_key) DO NOTHING
    RETURNING effect_key
  ), ended AS MATERIALIZED (
    SELECT a.effect_key, a.domain, a.cost, a.goes, a.effect_key IN (SELECT n.effect_key FROM planned n) AS planned FROM judged a
  )
  SELECT array_agg(a.effect_key) FILTER (WHERE a.planned AND a.goes),
         array_agg(a.effect_key) FILTER (WHERE NOT a.planned OR NOT a.goes),
         array_agg(a.domain) FILTER (WHERE NOT a.planned AND a.goes AND a.cost > 0),
         array_agg(a.cost) FILTER (WHERE NOT a.planned AND a.goes AND a.cost > 0)
  INTO together, single, unused_domains, unused_costs
  FROM ended a;
  RETURN QUERY SELECT k, 'go' FROM unnest(together) AS k;
  IF unused_domains IS NOT NULL THEN
    UPDATE pipeline.spend s SET spent = s.spent - u.cost
    FROM (SELECT u.domain, sum(u.cost) AS cost FROM unnest(unused_domains, unused_costs) AS u (domain, cost) GROUP BY u.domain) AS u
    WHERE s.domain = u.domain AND s.day = today;
  END IF;
  IF single IS NOT NULL THEN
    RETURN QUERY
      SELECT d.effect_key, d.verdict
      FROM (SELECT array_agg(a.effect_key) AS effect_keys, array_agg(a.subject_keys) AS subject_keys
            FROM unnest(p_effect_keys, p_subject_keys) AS a (effect_key, subject_keys) WHERE a.effect_key = ANY (single)) AS s,
           pipeline.dispatch_deliveries(s.effect_keys, array_fill(1, ARRAY[cardinality(s.effect_keys)]), p_claimed_by, p_lease,
                                        p_cap, s.subject_keys) AS d;
  END IF;
END
$$;
COMMENT ON FUNCTION pipeline.open_deliveries IS 'Plans deliveries that are new, and claims those that may be sent; each as it is then, with its recipient.';
COMMENT ON FUNCTION pipeline.dispatch_new_deliveries IS 'Plans deliveries that nobody has planned, and records that they are being sent; verdicts as by pipeline.dispatch_deliveries.';

-- As before, but the time no longer grows with the square of the number: each is looked up by its hash among those that were
-- dispatched, where a join compared each with each.
CREATE OR REPLACE FUNCTION pipeline.dispatch_deliveries(p_effect_keys uuid[], p_attempts int[], p_claimed_by text, p_lease interval,
                                                        p_cap numeric, p_subject_keys text[])
RETURNS TABLE (effect_key uuid, verdict text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  together uuid[];
  lost uuid[];
  single uuid[];
  going uuid[] := '{}';
  d record;
  cap numeric;
BEGIN
  WITH asked AS MATERIALIZED (
    SELECT l.effect_key, l.domain, l.state = 'claimed' AND l.cost > 0 AS costs, l.cost,
           CASE WHEN l.claimed_by IS DISTINCT FROM p_claimed_by OR l.attempt <> a.attempt
                     OR l.state NOT IN ('claimed', 'dispatching') THEN 'lost'
                WHEN l.state = 'claimed' AND l.kind NOT IN ('opt_out', 'opt_in', 'help')
                     AND (CASE l.channel WHEN 'sms' THEN NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL
                                         ELSE p.whatsapp_opt_out_at IS NOT NULL END
                          OR EXISTS (SELECT FROM suppressions o
                                     WHERE o.domain = l.domain AND o.channel = l.channel
                                       AND o.subject_key = ANY (string_to_array(a.subject_keys, ' ') || p.subject_key::text)))
                THEN 'unwanted' ELSE 'go' END AS verdict
    FROM unnest(p_effect_keys, p_attempts, p_subject_keys) AS a (effect_key, attempt, subject_keys)
         JOIN pipeline.delivery l USING (effect_key)
         LEFT JOIN profiles p ON p.id = l.profile_id
    ORDER BY l.effect_key FOR UPDATE OF l
  ), paid AS (
    INSERT INTO pipeline.spend AS s (domain, day, spent)
    SELECT c.domain, today, c.cost
    FROM (SELECT a.domain, sum(a.cost) AS cost,
                 COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = a.domain), p_cap) AS per_day
          FROM asked a WHERE a.verdict = 'go' AND a.costs GROUP BY a.domain) AS c
    WHERE c.cost <= COALESCE(c.per_day, c.cost)
    ORDER BY c.domain
    ON CONFLICT (domain, day) DO UPDATE SET spent = s.spent + excluded.spent
    WHERE s.spent + excluded.spent <= COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = excluded.domain), p_cap,
                                               s.spent + excluded.spent)
    RETURNING s.domain
  ), dispatched AS (
    UPDATE pipeline.delivery l
    SET state = 'dispatching', dispatched_at = CASE l.state WHEN 'claimed' THEN now() ELSE l.dispatched_at END,
        lease_until = now() + p_lease, updated_at = now()
    FROM asked a
    WHERE l.effect_key = a.effect_key AND a.verdict = 'go' AND (NOT a.costs OR a.domain IN (SELECT p.domain FROM paid p))
    RETURNING l.effect_key
  ), ended AS MATERIALIZED (
    SELECT a.effect_key, a.verdict, a.effect_key IN (SELECT u.effect_key FROM dispatched u) AS dispatched FROM asked a
  )
  SELECT array_agg(a.effect_key) FILTER (WHERE a.dispatched),
         array_agg(a.effect_key) FILTER (WHERE a.verdict = 'lost'),
         array_agg(a.effect_key) FILTER (WHERE NOT a.dispatched AND a.verdict <> 'lost')
  INTO together, lost, single
  FROM ended a;
  RETURN QUERY SELECT k, 'go' FROM unnest(together) AS k;
  RETURN QUERY SELECT k, 'lost' FROM unnest(lost) AS k;
  IF single IS NULL THEN
    RETURN;
  END IF;
  FOR d IN
    SELECT l.effect_key, l.domain, l.cost, l.state, l.claimed_by = p_claimed_by AND l.attempt = a.attempt AS mine,
           l.kind NOT IN ('opt_out', 'opt_in', 'help')
             AND (s.since IS NOT NULL
                  OR CASE l.channel WHEN 'sms' THEN NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL
                                    ELSE p.whatsapp_opt_out_at IS NOT NULL END) AS unwanted,
           l.channel, k.subject_keys, l.profile_id
    FROM unnest(p_effect_keys, p_attempts, p_subject_keys) AS a (effect_key, attempt, subject_keys)
         JOIN pipeline.delivery l USING (effect_key)
         LEFT JOIN profiles p ON p.id = l.profile_id
         CROSS JOIN LATERAL (SELECT array_remove(string_to_array(a.subject_keys, ' ') || p.subject_key::text, NULL)) AS k (subject_keys)
         LEFT JOIN LATERAL (SELECT min(o.since) FROM suppressions o
                            WHERE o.domain = l.domain AND o.channel = l.channel
                              AND o.subject_key = ANY (k.subject_keys)) AS s (since) ON true
    WHERE l.effect_key = ANY (single)
    ORDER BY l.domain, l.effect_key
  LOOP
    effect_key := d.effect_key;
    verdict := CASE WHEN d.mine AND d.state IN ('claimed', 'dispatching') THEN 'go' ELSE 'lost' END;
    IF verdict = 'go' AND d.unwanted AND d.state = 'claimed' THEN
      verdict := 'opted_out';
      -- Whoever obeys a START holds the profile: it is not taken back here.
      PERFORM FROM profiles p WHERE p.id = d.profile_id FOR NO KEY UPDATE;
      INSERT INTO suppressions (domain, channel, subject_key, since, source)
      SELECT d.domain, d.channel, met.subject_key, word.since, 'dispatch'
      FROM unnest(d.subject_keys) AS met (subject_key),
           (SELECT min(o.since)
            FROM (SELECT s.since FROM suppressions s
                  WHERE s.domain = d.domain AND s.channel = d.channel AND s.subject_key = ANY (d.subject_keys)
                  UNION ALL
                  SELECT CASE d.channel WHEN 'sms' THEN COALESCE(p.sms_opt_out_at, CASE WHEN NOT p.allows_sms THEN now() END)
                                        ELSE p.whatsapp_opt_out_at END
                  FROM profiles p WHERE p.id = d.profile_id) AS o (since)) AS word (since)
      WHERE word.since IS NOT NULL
      ON CONFLICT DO NOTHING;
    END IF;
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

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
DROP FUNCTION pipeline.dispatch_new_deliveries(uuid[], uuid[], text[], text[], text[], uuid[], uuid[], text[], text[], text[], smallint[],
                                               text[], numeric[], uuid[], text, interval, numeric, text[]);
CREATE OR REPLACE FUNCTION pipeline.open_deliveries(p_effect_keys uuid[], p_event_keys uuid[], p_request_sources text[],
                                         p_request_ids text[], p_domains text[], p_profile_ids uuid[], p_session_ids uuid[], p_channels text[],
                                         p_providers text[], p_kinds text[], p_segments smallint[], p_encodings text[],
                                         p_costs numeric[], p_sender_ids uuid[], p_claimed_by text, p_lease interval)
RETURNS TABLE (ordinal bigint, tenant_status text, known_person boolean, state text, kind text, attempt int, claimed boolean,
               phone_number text, whatsapp_jid text, whatsapp_user_id text, has_whatsapp boolean, has_sms boolean,
               sms_opted_out boolean, whatsapp_opted_out boolean, last_whatsapp_inbound_ms bigint, dispatched_at bigint,
               content text, others_lease bigint, messages bigint, call_summaries bigint, provider text, sender_id uuid,
               answer_state text, provider_message_id text, error_code text, error_class text, reason text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan -- planned once, for tables that grow
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
BEGIN
  RETURN QUERY
  WITH asked AS (
    SELECT * FROM unnest(p_effect_keys, p_event_keys, p_request_sources, p_request_ids, p_domains, p_profile_ids, p_session_ids,
                         p_channels, p_providers, p_kinds, p_segments, p_encodings, p_costs, p_sender_ids)
      WITH ORDINALITY AS a (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel,
                            provider, kind, segments, encoding, cost, sender_id, ordinal)
  ), trusted AS (
    -- Whoever may write to Kafka may call a message the answer to STOP, which reaches those who opted out. The worker that
    -- obeyed the STOP also wrote the answer into the log.
    SELECT a.*, CASE WHEN a.kind IN ('opt_out', 'opt_in', 'help')
                      AND NOT EXISTS (SELECT FROM message_delivery_log m
                                      WHERE m.effect_key = a.effect_key AND m.kind = a.kind AND m.profile_id = a.profile_id)
                     THEN 'message' ELSE a.kind END AS trusted_kind
    FROM asked a
  ), opened AS (
    INSERT INTO pipeline.delivery AS d
      (effect_key, event_key, request_source, request_id, domain, profile_id, session_id, channel, provider, kind,
       segments, encoding, cost, sender_id, state, claimed_by, lease_until)
    SELECT a.effect_key, a.event_key, a.request_source, a.request_id, a.domain, a.profile_id, a.session_id, a.channel,
           a.provider, a.trusted_kind, a.segments, a.encoding, a.cost, a.sender_id, 'claimed', p_claimed_by, now() + p_lease
    FROM trusted a JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
                 JOIN tenants t ON t.domain = a.domain AND t.status = 'active'
    ORDER BY a.effect_key
    ON CONFLICT (effect_key) DO UPDATE
    SET state = 'claimed', attempt = d.attempt + CASE d.state WHEN 'failed' THEN 1 ELSE 0 END,
        claimed_by = excluded.claimed_by, lease_until = excluded.lease_until, provider = excluded.provider,
        sender_id = excluded.sender_id, updated_at = now()
    WHERE d.state = 'planned'
       OR d.state = 'claimed' AND (d.lease_until <= now() OR d.claimed_by = excluded.claimed_by)
       OR d.state = 'failed' AND d.error_code = 'given_up' AND pipeline.request_is_forgotten(d.event_key)
    RETURNING d.effect_key, d.attempt, d.kind
  )
  SELECT a.ordinal, t.status AS tenant_status, p.id IS NOT NULL AS known_person, d.state,
         COALESCE(o.kind, d.kind, 'message') AS kind, COALESCE(o.attempt, d.attempt, 1) AS attempt, o.effect_key IS NOT NULL AS claimed,
         p.phone_number, p.whatsapp_jid, p.whatsapp_user_id, p.has_whatsapp, p.has_sms,
         COALESCE(NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL, false) AS sms_opted_out,
         p.whatsapp_opt_out_at IS NOT NULL AS whatsapp_opted_out,
         floor(EXTRACT(EPOCH FROM p.last_whatsapp_inbound_at) * 1000)::bigint AS last_whatsapp_inbound_ms,
         floor(EXTRACT(EPOCH FROM d.dispatched_at) * 1000)::bigint AS dispatched_at,
         (SELECT l.content FROM message_delivery_log l WHERE d.attempt > 1 AND l.effect_key = a.effect_key) AS content,
         CASE WHEN d.claimed_by <> p_claimed_by THEN floor(EXTRACT(EPOCH FROM d.lease_until - now()) * 1000)::bigint
         END AS others_lease,
         s.messages, s.call_summaries, d.provider, d.sender_id, w.state AS answer_state, w.provider_message_id,
         w.error_code, w.error_class, w.reason
  FROM asked a
  LEFT JOIN tenants t ON t.domain = a.domain
  LEFT JOIN profiles p ON p.id = a.profile_id AND p.domain = a.domain
  LEFT JOIN opened o ON o.effect_key = a.effect_key
  LEFT JOIN pipeline.delivery d ON d.effect_key = a.effect_key
  LEFT JOIN LATERAL jsonb_to_record(d.answer) AS w (attempt int, state text, provider_message_id text, error_code text,
                                                    error_class text, reason text) ON w.attempt = d.attempt
  CROSS JOIN LATERAL (
    SELECT count(*) AS messages, count(DISTINCT s.event_key) FILTER (WHERE s.kind = 'call_summary') AS call_summaries
    FROM pipeline.delivery s
    WHERE s.profile_id = a.profile_id AND s.planned_at > now() - interval '2 days'
      AND s.dispatched_at > now() - interval '1 day' AND s.event_key <> a.event_key
      AND s.state NOT IN ('planned', 'claimed', 'skipped', 'failed')) AS s
  ORDER BY a.ordinal;
END
$$;
CREATE OR REPLACE FUNCTION pipeline.dispatch_deliveries(p_effect_keys uuid[], p_attempts int[], p_claimed_by text, p_lease interval,
                                                        p_cap numeric, p_subject_keys text[])
RETURNS TABLE (effect_key uuid, verdict text)
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
#variable_conflict use_column
DECLARE
  today date := (now() AT TIME ZONE 'UTC')::date;
  together uuid[];
  lost uuid[];
  single uuid[];
  going uuid[] := '{}';
  d record;
  cap numeric;
BEGIN
  WITH asked AS MATERIALIZED (
    SELECT l.effect_key, l.domain, l.state = 'claimed' AND l.cost > 0 AS costs, l.cost,
           CASE WHEN l.claimed_by IS DISTINCT FROM p_claimed_by OR l.attempt <> a.attempt
                     OR l.state NOT IN ('claimed', 'dispatching') THEN 'lost'
                WHEN l.state = 'claimed' AND l.kind NOT IN ('opt_out', 'opt_in', 'help')
                     AND (CASE l.channel WHEN 'sms' THEN NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL
                                         ELSE p.whatsapp_opt_out_at IS NOT NULL END
                          OR EXISTS (SELECT FROM suppressions o
                                     WHERE o.domain = l.domain AND o.channel = l.channel
                                       AND o.subject_key = ANY (string_to_array(a.subject_keys, ' ') || p.subject_key::text)))
                THEN 'unwanted' ELSE 'go' END AS verdict
    FROM unnest(p_effect_keys, p_attempts, p_subject_keys) AS a (effect_key, attempt, subject_keys)
         JOIN pipeline.delivery l USING (effect_key)
         LEFT JOIN profiles p ON p.id = l.profile_id
    ORDER BY l.effect_key FOR UPDATE OF l
  ), paid AS (
    INSERT INTO pipeline.spend AS s (domain, day, spent)
    SELECT c.domain, today, c.cost
    FROM (SELECT a.domain, sum(a.cost) AS cost,
                 COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = a.domain), p_cap) AS per_day
          FROM asked a WHERE a.verdict = 'go' AND a.costs GROUP BY a.domain) AS c
    WHERE c.cost <= COALESCE(c.per_day, c.cost)
    ORDER BY c.domain
    ON CONFLICT (domain, day) DO UPDATE SET spent = s.spent + excluded.spent
    WHERE s.spent + excluded.spent <= COALESCE((SELECT c.per_day FROM pipeline.spend_cap c WHERE c.domain = excluded.domain), p_cap,
                                               s.spent + excluded.spent)
    RETURNING s.domain
  ), dispatched AS (
    UPDATE pipeline.delivery l
    SET state = 'dispatching', dispatched_at = CASE l.state WHEN 'claimed' THEN now() ELSE l.dispatched_at END,
        lease_until = now() + p_lease, updated_at = now()
    FROM asked a
    WHERE l.effect_key = a.effect_key AND a.verdict = 'go' AND (NOT a.costs OR a.domain IN (SELECT p.domain FROM paid p))
    RETURNING l.effect_key
  )
  SELECT array_agg(a.effect_key) FILTER (WHERE u.effect_key IS NOT NULL),
         array_agg(a.effect_key) FILTER (WHERE a.verdict = 'lost'),
         array_agg(a.effect_key) FILTER (WHERE u.effect_key IS NULL AND a.verdict <> 'lost')
  INTO together, lost, single
  FROM asked a LEFT JOIN dispatched u USING (effect_key);
  RETURN QUERY SELECT k, 'go' FROM unnest(together) AS k;
  RETURN QUERY SELECT k, 'lost' FROM unnest(lost) AS k;
  IF single IS NULL THEN
    RETURN;
  END IF;
  FOR d IN
    SELECT l.effect_key, l.domain, l.cost, l.state, l.claimed_by = p_claimed_by AND l.attempt = a.attempt AS mine,
           l.kind NOT IN ('opt_out', 'opt_in', 'help')
             AND (s.since IS NOT NULL
                  OR CASE l.channel WHEN 'sms' THEN NOT p.allows_sms OR p.sms_opt_out_at IS NOT NULL
                                    ELSE p.whatsapp_opt_out_at IS NOT NULL END) AS unwanted,
           l.channel, k.subject_keys, l.profile_id
    FROM unnest(p_effect_keys, p_attempts, p_subject_keys) AS a (effect_key, attempt, subject_keys)
         JOIN pipeline.delivery l USING (effect_key)
         LEFT JOIN profiles p ON p.id = l.profile_id
         CROSS JOIN LATERAL (SELECT array_remove(string_to_array(a.subject_keys, ' ') || p.subject_key::text, NULL)) AS k (subject_keys)
         LEFT JOIN LATERAL (SELECT min(o.since) FROM suppressions o
                            WHERE o.domain = l.domain AND o.channel = l.channel
                              AND o.subject_key = ANY (k.subject_keys)) AS s (since) ON true
    WHERE l.effect_key = ANY (single)
    ORDER BY l.domain, l.effect_key
  LOOP
    effect_key := d.effect_key;
    verdict := CASE WHEN d.mine AND d.state IN ('claimed', 'dispatching') THEN 'go' ELSE 'lost' END;
    IF verdict = 'go' AND d.unwanted AND d.state = 'claimed' THEN
      verdict := 'opted_out';
      -- Whoever obeys a START holds the profile: it is not taken back here.
      PERFORM FROM profiles p WHERE p.id = d.profile_id FOR NO KEY UPDATE;
      INSERT INTO suppressions (domain, channel, subject_key, since, source)
      SELECT d.domain, d.channel, met.subject_key, word.since, 'dispatch'
      FROM unnest(d.subject_keys) AS met (subject_key),
           (SELECT min(o.since)
            FROM (SELECT s.since FROM suppressions s
                  WHERE s.domain = d.domain AND s.channel = d.channel AND s.subject_key = ANY (d.subject_keys)
                  UNION ALL
                  SELECT CASE d.channel WHEN 'sms' THEN COALESCE(p.sms_opt_out_at, CASE WHEN NOT p.allows_sms THEN now() END)
                                        ELSE p.whatsapp_opt_out_at END
                  FROM profiles p WHERE p.id = d.profile_id) AS o (since)) AS word (since)
      WHERE word.since IS NOT NULL
      ON CONFLICT DO NOTHING;
    END IF;
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
COMMENT ON FUNCTION pipeline.open_deliveries IS 'Plans deliveries that are new, and claims those that may be sent; each as it was before, with its recipient.';
DROP FUNCTION pipeline.look_at_deliveries(uuid[], uuid[], text[], uuid[], text[], text);
DROP FUNCTION pipeline.answers_keyword(uuid, uuid, text);
RESET ROLE;
