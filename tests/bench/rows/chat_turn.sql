-- The least SQL that stores the rows of :batch chat turns durably, and nothing else: no question who owns a partition, what
-- the conversation holds or whether the turn was stored before. Run by pgbench with prepared statements as the worker's
-- role; each client has conversations of its own and lets them take turns. Each turn writes the same rows as one of the
-- worker's, which the benchmark checks.
\set turn :turn + :batch
\set row :client_id * 1000000000 + :turn * 2
WITH turns AS MATERIALIZED (
  SELECT n, gen_random_uuid() AS event, :turn::int + n AS number,
         md5(:client_id::text || ' ' || (:turn::int + n) % :conversations::int)::uuid AS conversation
  FROM generate_series(0, :batch::int - 1) AS n
), inboxed AS (
  INSERT INTO pipeline.inbox (consumer, event_id) SELECT 'bench', event FROM turns
), opened AS (
  INSERT INTO conversations AS c (id, domain, session_id, last_message_at)
  SELECT conversation, 'shop.example', conversation, now() FROM turns
  ON CONFLICT (id) DO UPDATE SET last_message_at = excluded.last_message_at, updated_at = now()
), recorded AS (
  INSERT INTO pipeline.llm_responses (request_key, event_id, model, response)
  SELECT event, event, 'omnibus-small', :answer::jsonb FROM turns
), published AS (
  INSERT INTO pipeline.outbox (id, consumer, source_topic, source_partition, topic, key, headers, value)
  SELECT :row::bigint + 2 * n + each.nth, 'bench', 'bench', :client_id, each.topic, conversation::text::bytea, :headers::bytea, each.value
  FROM turns, (VALUES (0, 'llm.calls', :call::bytea), (1, 'chat.replies', :reply::bytea)) AS each (nth, topic, value)
)
INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id, in_reply_to)
SELECT event, conversation, 2 * (number / :conversations::int) + 1, 'user', 'When will the card that I ordered last week arrive?', event,
       NULL FROM turns
UNION ALL
SELECT gen_random_uuid(), conversation, 2 * (number / :conversations::int) + 2, 'assistant', :text, NULL, event FROM turns;
BEGIN;
SET LOCAL synchronous_commit = off;
DELETE FROM pipeline.outbox WHERE id BETWEEN :row::bigint AND :row::bigint + 2 * :batch::int - 1;
COMMIT;
