-- Closing expired sessions also returns how old they had become, for the metric of sessions' durations.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- Closes what has expired, at most `p_limit` sessions a call; of each the seconds from its beginning until it expired.
CREATE FUNCTION close_expired_omnichannel_sessions(p_limit int DEFAULT 1000) RETURNS SETOF double precision
LANGUAGE sql AS $$
  WITH expired AS (
    SELECT id FROM omnichannel_sessions WHERE status <> 'closed' AND expires_at <= now()
    ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED
  )
  UPDATE omnichannel_sessions s SET status = 'closed', closed_at = now() FROM expired WHERE s.id = expired.id
  RETURNING extract(epoch FROM s.expires_at - s.created_at)::double precision
$$;

-- The same, and only how many it closed.
CREATE OR REPLACE FUNCTION cleanup_expired_omnichannel_sessions(p_limit int DEFAULT 1000) RETURNS bigint
LANGUAGE sql AS $$
  SELECT count(*) FROM close_expired_omnichannel_sessions(p_limit)
$$;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

-- Closes what has expired, at most `p_limit` sessions a call; how many it closed.
CREATE OR REPLACE FUNCTION cleanup_expired_omnichannel_sessions(p_limit int DEFAULT 1000) RETURNS bigint
LANGUAGE sql AS $$
  WITH expired AS (
    SELECT id FROM omnichannel_sessions WHERE status <> 'closed' AND expires_at <= now()
    ORDER BY expires_at LIMIT p_limit FOR UPDATE SKIP LOCKED
  ), closed AS (
    UPDATE omnichannel_sessions s SET status = 'closed', closed_at = now() FROM expired WHERE s.id = expired.id
    RETURNING 1
  )
  SELECT count(*) FROM closed
$$;
DROP FUNCTION close_expired_omnichannel_sessions(int);

RESET ROLE;
