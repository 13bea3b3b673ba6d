-- A person's STOP outlives their profile: it is kept by subject key, a new profile starts with it, and it is asked before
-- each message is sent.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- A profile and the suppressions of its person agree from the moment the profile has a key: one that is new starts opted
-- out, and an opt-out, whoever writes it, is kept. That a profile allows messages again lifts nothing: only START does.
CREATE FUNCTION keep_opt_outs() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
BEGIN
  IF TG_OP = 'INSERT' OR NEW.subject_key IS DISTINCT FROM OLD.subject_key THEN
    NEW.sms_opt_out_at := COALESCE(NEW.sms_opt_out_at, (SELECT s.since FROM suppressions s
      WHERE s.domain = NEW.domain AND s.channel = 'sms' AND s.subject_key = NEW.subject_key));
    NEW.allows_sms := NEW.allows_sms AND NEW.sms_opt_out_at IS NULL;
    NEW.whatsapp_opt_out_at := COALESCE(NEW.whatsapp_opt_out_at, (SELECT s.since FROM suppressions s
      WHERE s.domain = NEW.domain AND s.channel = 'whatsapp' AND s.subject_key = NEW.subject_key));
  END IF;
  INSERT INTO suppressions (domain, channel, subject_key, since, source)
  SELECT NEW.domain, o.channel, NEW.subject_key, COALESCE(o.since, now()), 'profile'
  FROM (VALUES ('sms', NOT NEW.allows_sms OR NEW.sms_opt_out_at IS NOT NULL, NEW.sms_opt_out_at),
               ('whatsapp', NEW.whatsapp_opt_out_at IS NOT NULL, NEW.whatsapp_opt_out_at)) AS o (channel, out, since)
  WHERE o.out
  ON CONFLICT DO NOTHING;
  RETURN NEW;
END
$$;
COMMENT ON FUNCTION keep_opt_outs IS 'Lets a new profile start with its person''s suppressions, and keeps its opt-outs as suppressions.';
CREATE TRIGGER keep_opt_outs BEFORE INSERT OR UPDATE OF subject_key, allows_sms, sms_opt_out_at, whatsapp_opt_out_at ON profiles
  FOR EACH ROW WHEN (NEW.subject_key IS NOT NULL) EXECUTE FUNCTION keep_opt_outs();

DROP FUNCTION pipeline.dispatch_deliveries(uuid[], int[], text, interval, numeric);
-- Claimed by this process becomes dispatching: many at once, each for itself. `go` for those that may be sent now, `lost`
-- for those that another process has claimed or a receipt has settled, `capped` for those beyond their tenant's cap,
-- `opted_out` for those whose person has said STOP since they were claimed, or is suppressed. p_subject_keys has the keys of
-- each one's person that the worker knows, separated by spaces: the profile may be younger than the STOP, and its key may be
-- of another secret. A suppression that was met by one key is kept under all of them.
-- Asking again for what is dispatching already, by the same process and attempt, is `go` as well. What may go is the
-- process's own for another lease, which must last until its provider's answer can be there.
CREATE FUNCTION pipeline.dispatch_deliveries(p_effect_keys uuid[], p_attempts int[], p_claimed_by text, p_lease interval,
                                             p_cap numeric, p_subject_keys text[])
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
    ORDER BY l.domain, l.effect_key FOR UPDATE OF l
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
DROP FUNCTION pipeline.dispatch_deliveries(uuid[], int[], text, interval, numeric, text[]);
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
DROP TRIGGER keep_opt_outs ON profiles;
DROP FUNCTION keep_opt_outs();
RESET ROLE;
