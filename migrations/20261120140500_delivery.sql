-- The ledger of what is sent to people: one row per request and channel, written before a byte leaves. Its state only
-- moves forward, whoever writes: `dispatching` without an end means that nobody knows, and is never sent again blindly.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.delivery (
  effect_key          uuid          PRIMARY KEY,
  event_key           uuid          NOT NULL,
  request_source      text          NOT NULL,
  request_id          text          NOT NULL,
  domain              text          NOT NULL,
  profile_id          uuid          NOT NULL,
  session_id          uuid,
  channel             text          NOT NULL CHECK (channel IN ('whatsapp', 'sms')),
  provider            text          NOT NULL,
  kind                text          NOT NULL,
  state               text          NOT NULL CHECK (state IN ('planned', 'claimed', 'dispatching', 'in_doubt', 'accepted',
                                                              'skipped', 'failed', 'delivered', 'read')),
  attempt             int           NOT NULL DEFAULT 1 CHECK (attempt > 0),
  unsure              boolean       NOT NULL DEFAULT false,
  claimed_by          text,
  lease_until         timestamptz,
  answer              jsonb,
  provider_message_id text,
  segments            smallint      CHECK (segments BETWEEN 1 AND 10),
  encoding            text          CHECK (encoding IN ('gsm7', 'ucs2')),
  cost                numeric(18,9) NOT NULL DEFAULT 0 CHECK (cost >= 0),
  error_code          text,
  error_class         text,
  reason              text,
  planned_at          timestamptz   NOT NULL DEFAULT now(),
  dispatched_at       timestamptz,
  accepted_at         timestamptz,
  delivered_at        timestamptz,
  read_at             timestamptz,
  updated_at          timestamptz   NOT NULL DEFAULT now(),
  UNIQUE (provider, provider_message_id)
)
WITH (fillfactor = 70);
COMMENT ON COLUMN pipeline.delivery.effect_key IS 'UUIDv5 of the request and the channel: what a provider recognises a repetition by, and echoes.';
COMMENT ON COLUMN pipeline.delivery.event_key IS 'The request''s in pipeline.inbox.';
COMMENT ON COLUMN pipeline.delivery.attempt IS 'Which sending this is: one more after a refusal, or for one in doubt that is sent again.';
COMMENT ON COLUMN pipeline.delivery.unsure IS 'Nobody knows what became of an earlier attempt: unless a later one is taken, it ends in doubt.';
COMMENT ON COLUMN pipeline.delivery.claimed_by IS 'The process that may dispatch it, until lease_until or until another one claims it; of one on its way, the process that sends it, which nobody judges before lease_until.';
COMMENT ON COLUMN pipeline.delivery.answer IS 'How an attempt ended, left by a process that sent it and whose request had become another''s: for that one to write down.';
COMMENT ON COLUMN pipeline.delivery.cost IS 'In the currency of the spend cap.';
CREATE INDEX delivery_unsettled ON pipeline.delivery (state, updated_at)
  WHERE state IN ('planned', 'claimed', 'dispatching', 'in_doubt');
CREATE INDEX delivery_of_profile ON pipeline.delivery (profile_id, planned_at);
CREATE INDEX delivery_by_change ON pipeline.delivery (updated_at);

-- Within an attempt.
CREATE FUNCTION pipeline.delivery_may_become(p_from text, p_to text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_to = ANY (CASE p_from
  WHEN 'planned' THEN ARRAY['claimed', 'skipped', 'failed', 'accepted', 'delivered', 'read']
  WHEN 'claimed' THEN ARRAY['claimed', 'dispatching', 'skipped', 'failed', 'in_doubt', 'accepted', 'delivered', 'read']
  WHEN 'dispatching' THEN ARRAY['in_doubt', 'accepted', 'failed', 'delivered', 'read']
  WHEN 'in_doubt' THEN ARRAY['accepted', 'failed', 'delivered', 'read']
  WHEN 'accepted' THEN ARRAY['failed', 'delivered', 'read']
  WHEN 'failed' THEN ARRAY['delivered', 'read']
  WHEN 'delivered' THEN ARRAY['read']
  ELSE ARRAY[]::text[]
END);

CREATE FUNCTION pipeline.delivery_moves_forward() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.attempt = OLD.attempt AND (NEW.state = OLD.state OR pipeline.delivery_may_become(OLD.state, NEW.state)) THEN
    RETURN NEW;
  END IF;
  -- Another attempt: at what was refused, what nobody knows of, or what an operator wants sent after it failed.
  IF NEW.attempt = OLD.attempt + 1 AND NEW.state IN ('planned', 'claimed')
     AND OLD.state IN ('dispatching', 'in_doubt', 'failed') THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'a delivery does not go from % (attempt %) to % (attempt %)', OLD.state, OLD.attempt, NEW.state, NEW.attempt
    USING ERRCODE = 'check_violation';
END
$$;
CREATE TRIGGER forward BEFORE UPDATE ON pipeline.delivery
  FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state OR OLD.attempt IS DISTINCT FROM NEW.attempt)
  EXECUTE FUNCTION pipeline.delivery_moves_forward();

-- Nothing more is done about it; a receipt may still come.
CREATE FUNCTION pipeline.delivery_has_ended(p_state text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN p_state IN ('accepted', 'skipped', 'failed', 'delivered', 'read');

-- With the owner's rights: an operator may forget old deliveries, and cannot delete others.
CREATE FUNCTION pipeline.prune_deliveries(p_before timestamptz, p_limit bigint) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_pruned bigint;
BEGIN
  -- Longer than a request, or a dead letter of one, can be read from any topic.
  IF p_before > now() - interval '30 days' THEN
    RAISE EXCEPTION 'requests of the last 30 days may come again, and be sent again: % is too late', p_before
      USING ERRCODE = 'invalid_parameter_value';
  END IF;
  DELETE FROM pipeline.delivery
  WHERE ctid = ANY (ARRAY(SELECT d.ctid FROM pipeline.delivery d
                          WHERE d.updated_at < p_before AND pipeline.delivery_has_ended(d.state) LIMIT p_limit))
    AND updated_at < p_before AND pipeline.delivery_has_ended(state);
  GET DIAGNOSTICS v_pruned = ROW_COUNT;
  RETURN v_pruned;
END
$$;
COMMENT ON FUNCTION pipeline.prune_deliveries IS 'Forgets deliveries that ended before p_before, at most p_limit of them; returns how many.';
REVOKE EXECUTE ON FUNCTION pipeline.prune_deliveries(timestamptz, bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pipeline.prune_deliveries(timestamptz, bigint) TO omnibus_operator;

-- Receipts of messages that no delivery is known to be: the provider's word came before its answer.
CREATE TABLE pipeline.delivery_receipt (
  provider            text        NOT NULL,
  provider_message_id text        NOT NULL,
  status              text        NOT NULL,
  error_code          text,
  occurred_at         timestamptz NOT NULL,
  received_at         timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (provider, provider_message_id, status)
);
CREATE INDEX delivery_receipt_by_age ON pipeline.delivery_receipt (received_at);

CREATE TABLE pipeline.spend (
  domain text          NOT NULL,
  day    date          NOT NULL,
  spent  numeric(18,9) NOT NULL,
  PRIMARY KEY (domain, day)
)
WITH (fillfactor = 50);
COMMENT ON TABLE pipeline.spend IS 'What each tenant''s messages of a day (UTC) cost, counted as they are dispatched, less what was refused.';
CREATE TABLE pipeline.spend_cap (
  domain  text          PRIMARY KEY,
  per_day numeric(18,9) NOT NULL CHECK (per_day >= 0)
);
COMMENT ON TABLE pipeline.spend_cap IS 'Tenants with another cap than SPEND_CAP_PER_DAY.';

-- Who looked into a delivery, and what they said of it.
CREATE TABLE pipeline.delivery_actions (
  id         bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  effect_key uuid        NOT NULL,
  action     text        NOT NULL CHECK (action IN ('accepted', 'failed', 'resend')),
  from_state text        NOT NULL,
  attempt    int         NOT NULL,
  actor      text        NOT NULL,
  role       name        NOT NULL DEFAULT session_user,
  at         timestamptz NOT NULL DEFAULT now()
);

DO $$
DECLARE
  of_tenants text;
BEGIN
  FOREACH of_tenants IN ARRAY ARRAY['delivery', 'spend', 'spend_cap'] LOOP
    EXECUTE format('ALTER TABLE pipeline.%I ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', of_tenants);
    EXECUTE format('CREATE POLICY everything ON pipeline.%I TO omnibus_owner, omnibus_notify, omnibus_replay, '
                   'omnibus_readonly, omnibus_operator USING (true) WITH CHECK (true)', of_tenants);
  END LOOP;
END
$$;
GRANT SELECT, INSERT, UPDATE ON pipeline.delivery TO omnibus_notify;
GRANT SELECT, INSERT, DELETE ON pipeline.delivery_receipt TO omnibus_notify;
GRANT SELECT, INSERT, UPDATE ON pipeline.spend TO omnibus_notify;
GRANT SELECT ON pipeline.spend_cap TO omnibus_notify;
-- A replay may look, and PostgreSQL refuses the rest.
GRANT SELECT ON pipeline.delivery TO omnibus_replay;
GRANT SELECT ON pipeline.delivery, pipeline.delivery_receipt, pipeline.spend, pipeline.spend_cap, pipeline.delivery_actions
  TO omnibus_readonly, omnibus_operator;

RESET ROLE;

-- migrate:down
DROP TABLE pipeline.delivery_actions;
DROP TABLE pipeline.spend_cap;
DROP TABLE pipeline.spend;
DROP TABLE pipeline.delivery_receipt;
DROP FUNCTION pipeline.prune_deliveries(timestamptz, bigint);
DROP TABLE pipeline.delivery;
DROP FUNCTION pipeline.delivery_has_ended(text);
DROP FUNCTION pipeline.delivery_moves_forward();
DROP FUNCTION pipeline.delivery_may_become(text, text);
