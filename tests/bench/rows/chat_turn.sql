-- A chat turn's SQL, message by message as omnibus-chat sends it (workers/chat/store.cpp, common/postgres): one read, the
-- answer recorded as a step of its own, the turn, and now and then the removal of what was published. Run by pgbench as
-- the worker's role; each client has conversations of its own and lets them take turns. Every turn writes the same rows as
-- one of the worker's, which the benchmark checks.
\set turn :turn + 1
\set conversation 100000000000 + :client_id * :conversations + :turn % :conversations
\set event random(100000000000, 999999999999)
\set row :client_id * 1000000000 + :turn * 2
SELECT (SELECT status FROM tenants WHERE domain = 'shop.example'), c.id, c.domain, c.session_id, c.status, c.owner_id IS NOT NULL, c.takeover_epoch,
  (SELECT response::text FROM pipeline.llm_responses WHERE request_key = '00000000-0000-4000-8000-:event'),
  EXISTS (SELECT FROM messages WHERE source_event_id = '00000000-0000-4000-8000-:event'),
  ARRAY(SELECT role FROM messages WHERE conversation_id = c.id AND content IS NOT NULL AND role IN ('user', 'assistant', 'agent') ORDER BY seq DESC LIMIT 200),
  ARRAY(SELECT content FROM messages WHERE conversation_id = c.id AND content IS NOT NULL AND role IN ('user', 'assistant', 'agent') ORDER BY seq DESC LIMIT 200)
  FROM (SELECT) AS one
  LEFT JOIN conversations c ON c.id = '00000000-0000-5000-8000-:conversation' OR (c.domain = 'shop.example' AND c.session_id = 'visitor-:conversation')
  ORDER BY c.id = '00000000-0000-5000-8000-:conversation';
BEGIN \; SELECT pipeline.admit('bench', '00000000-0000-0000-0000-000000000000', '20000000-0000-5000-8000-:event', 'bench', :client_id, :epoch), nextval('pipeline.outbox_id');
INSERT INTO pipeline.llm_responses (request_key, event_id, model, response)
  VALUES ('00000000-0000-4000-8000-:event', '00000000-0000-4000-8000-:event', 'omnibus-small', :answer)
  ON CONFLICT (request_key) DO NOTHING;
INSERT INTO pipeline.outbox (id, consumer, source_topic, source_partition, topic, key, headers, value, partition)
  VALUES (:row, 'bench', 'bench', :client_id, 'llm.calls', '00000000-0000-5000-8000-:conversation', :headers, :call, NULL) \; COMMIT;
BEGIN \; SELECT pipeline.admit('bench', '00000000-0000-0000-0000-000000000000', '00000000-0000-4000-8000-:event', 'bench', :client_id, :epoch), nextval('pipeline.outbox_id');
INSERT INTO conversations AS c (id, domain, session_id, created_at, last_message_at)
  SELECT '00000000-0000-5000-8000-:conversation', 'shop.example', 'visitor-:conversation', received, received
  FROM greatest(least(to_timestamp(extract(epoch FROM now())::float8), clock_timestamp()), now() - interval '30 days') AS received
  ON CONFLICT (id) DO UPDATE SET last_message_at = greatest(c.last_message_at, excluded.last_message_at), updated_at = now()
  RETURNING takeover_epoch, owner_id IS NOT NULL;
INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id, created_at)
  SELECT '00000000-0000-4000-8000-:event', '00000000-0000-5000-8000-:conversation', coalesce(max(seq), 0) + 1, 'user',
    'When will the card that I ordered last week arrive?', '00000000-0000-4000-8000-:event',
    greatest(least(to_timestamp(extract(epoch FROM now())::float8), clock_timestamp()), now() - interval '30 days')
  FROM messages WHERE conversation_id = '00000000-0000-5000-8000-:conversation' ON CONFLICT (source_event_id) DO NOTHING;
INSERT INTO messages (id, conversation_id, seq, role, content, in_reply_to, created_at)
  SELECT '10000000-0000-5000-8000-:event', '00000000-0000-5000-8000-:conversation', m.seq + 1, 'assistant', :text, m.id,
    coalesce((SELECT created_at FROM pipeline.llm_responses WHERE request_key = '00000000-0000-4000-8000-:event'), clock_timestamp())
  FROM messages m WHERE m.source_event_id = '00000000-0000-4000-8000-:event' ON CONFLICT (id) DO NOTHING;
INSERT INTO pipeline.outbox (id, consumer, source_topic, source_partition, topic, key, headers, value, partition)
  VALUES (:row + 1, 'bench', 'bench', :client_id, 'chat.replies', '00000000-0000-5000-8000-:conversation', :headers, :reply, NULL) \; COMMIT;
\if :turn % 20 = 0
BEGIN \; SET LOCAL synchronous_commit = off \; DELETE FROM pipeline.outbox WHERE id BETWEEN :row - 38 AND :row + 1 \; COMMIT;
\endif
