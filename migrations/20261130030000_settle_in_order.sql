-- Deliveries that are settled together lock what they share with others in one order: before, two workers that settled
-- many at once, in different orders, could deadlock on what their tenants had spent, on people or on sessions.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE OR REPLACE FUNCTION pipeline.settle_deliveries(p_effect_keys uuid[], p_attempts int[], p_states text[],
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
  -- All that others change too, in one order: deliveries, then what was spent, then people, then sessions.
  PERFORM FROM pipeline.delivery l WHERE l.effect_key = ANY (p_effect_keys) ORDER BY l.effect_key FOR UPDATE;
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
  ), written AS (
    UPDATE pipeline.delivery l
    SET state = 'accepted', provider_message_id = e.message_id, accepted_at = now(), error_code = e.error_code,
        error_class = e.error_class, reason = e.reason, updated_at = now()
    FROM expected e WHERE l.effect_key = e.effect_key
    RETURNING e.ordinal
  )
  SELECT COALESCE(array_agg(w.ordinal), '{}') INTO taken FROM written w;
  IF cardinality(taken) < cardinality(p_effect_keys) THEN
    PERFORM FROM pipeline.spend s
    WHERE (s.domain, s.day) IN (
      SELECT l.domain, (l.dispatched_at AT TIME ZONE 'UTC')::date
      FROM unnest(p_effect_keys, p_states) AS a (effect_key, state) JOIN pipeline.delivery l USING (effect_key)
      WHERE l.state = 'dispatching' AND a.state IN ('planned', 'failed') AND l.cost > 0)
    ORDER BY s.domain, s.day FOR NO KEY UPDATE;
    PERFORM FROM profiles p
    WHERE p.id IN (
      SELECT l.profile_id
      FROM unnest(p_effect_keys) WITH ORDINALITY AS a (effect_key, i) JOIN pipeline.delivery l USING (effect_key)
      WHERE a.i <> ALL (taken))
    ORDER BY p.id FOR NO KEY UPDATE;
  END IF;
  PERFORM FROM omnichannel_sessions s
  WHERE s.id IN (SELECT l.session_id FROM pipeline.delivery l
                 WHERE l.effect_key = ANY (p_effect_keys) AND l.kind = 'call_summary')
    AND NOT (s.whatsapp_summary_sent AND s.sms_summary_sent)
  ORDER BY s.id FOR NO KEY UPDATE;
  PERFORM pipeline.note_deliveries(array_agg(p_effect_keys[t.i]), array_agg(p_contents[t.i])) FROM unnest(taken) AS t (i);
  RETURN QUERY SELECT t.i, ARRAY['accepted'] FROM unnest(taken) AS t (i);
  RETURN QUERY
    SELECT o.i, pipeline.settle_delivery(p_effect_keys[o.i], p_attempts[o.i], p_states[o.i], p_provider_message_ids[o.i],
                                         p_error_codes[o.i], p_error_classes[o.i], p_reasons[o.i], p_contents[o.i])
    FROM (SELECT i FROM generate_series(1::bigint, cardinality(p_effect_keys)) AS i WHERE i <> ALL (taken) ORDER BY i) AS o;
END
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

CREATE OR REPLACE FUNCTION pipeline.settle_deliveries(p_effect_keys uuid[], p_attempts int[], p_states text[],
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

RESET ROLE;
