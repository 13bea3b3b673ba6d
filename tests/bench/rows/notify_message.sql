-- The least SQL that stores the rows of :batch messages durably, and nothing else: no question who may be written to, what was
-- sent before, what it costs or who else sends it. Run by pgbench with prepared statements as the worker's role; each client
-- has people of its own. What must be durable before a message leaves, and after, takes two transactions whatever is done.
-- Each message writes the same rows as one of the worker's, which the benchmark checks.
\set message :message + :batch
\set row :client_id * :each + :message
INSERT INTO pipeline.delivery (effect_key, event_key, request_source, request_id, domain, profile_id, channel, provider, kind,
                               segments, encoding, state, dispatched_at, claimed_by, lease_until)
SELECT md5('effect ' || n)::uuid, md5('event ' || n)::uuid, '/bench', md5('event ' || n), 'shop.example', md5('person ' || n)::uuid,
       'sms', 'mtn_sms', 'message', 1, 'gsm7', 'dispatching', now(), 'bench', now() + interval '1 minute'
FROM generate_series(:row::int + 1, :row::int + :batch::int) AS n;
WITH accepted AS (
  UPDATE pipeline.delivery SET state = 'accepted', provider_message_id = md5(effect_key::text), accepted_at = now(), updated_at = now()
  WHERE effect_key IN (SELECT md5('effect ' || n)::uuid FROM generate_series(:row::int + 1, :row::int + :batch::int) AS n)
  RETURNING effect_key, event_key, domain, profile_id, channel, kind, provider, provider_message_id, segments, encoding
), logged AS (
  INSERT INTO message_delivery_log (domain, profile_id, channel, direction, kind, status, content, provider, provider_message_id,
                                    segments, encoding, source_event_id, effect_key)
  SELECT domain, profile_id, channel, 'outbound', kind, 'sent', :body, provider, provider_message_id, segments, encoding, event_key,
         effect_key FROM accepted
), inboxed AS (
  INSERT INTO pipeline.inbox (consumer, event_id) SELECT 'bench', event_key FROM accepted
)
INSERT INTO pipeline.outbox (id, consumer, source_topic, source_partition, topic, key, headers, value)
SELECT :row::bigint + row_number() OVER (), 'bench', 'bench', :client_id, 'notifications.results', profile_id::text::bytea,
       :headers::bytea, :result::bytea FROM accepted;
BEGIN;
SET LOCAL synchronous_commit = off;
DELETE FROM pipeline.outbox WHERE id BETWEEN :row::bigint + 1 AND :row::bigint + :batch::int;
COMMIT;
