-- The clock: what is due when, and the worker that publishes it.

-- migrate:up
SELECT pipeline.create_worker('scheduler');

SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.schedules (
  name       text        PRIMARY KEY CHECK (name ~ '^tick(\.[a-z][a-z_-]*)+$' AND length(name) <= 100),
  every      interval    CHECK (every BETWEEN interval '1 second' AND interval '1 day' AND extract(month FROM every) = 0),
  at         text        CHECK (at ~ '^((Mon|Tue|Wed|Thu|Fri|Sat|Sun) )?([01][0-9]|2[0-3]):[0-5][0-9]$'),
  next_at    timestamptz,
  last_at    timestamptz,
  enabled    boolean     NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nonnulls(every, at) = 1)
);
COMMENT ON TABLE pipeline.schedules IS 'What is due when. The active scheduler publishes one event omnibus.<name>.v1 per due time.';
COMMENT ON COLUMN pipeline.schedules.every IS 'Due at the multiples of this period since 1970, in UTC; either this or `at`.';
COMMENT ON COLUMN pipeline.schedules.at IS 'Due at this time of day in UTC, such as 02:00; with a weekday before it, such as Sun 03:00, once a week.';
COMMENT ON COLUMN pipeline.schedules.next_at IS 'The next due time. NULL: the active scheduler sets it at its next look; set it to NULL after changing `every` or `at`.';
COMMENT ON COLUMN pipeline.schedules.last_at IS 'The due time of the last tick.';

INSERT INTO pipeline.schedules (name, every, at) VALUES
  ('tick.midnight',         '15 minutes', NULL),
  ('tick.report',           '15 minutes', NULL),
  ('tick.monitor',          '1 minute',   NULL),
  ('tick.snooze',           '1 minute',   NULL),
  ('tick.sessions.cleanup', '15 minutes', NULL),
  ('tick.prune.pipeline',   '1 hour',     NULL),
  ('tick.prune.messages',   NULL,         '02:00'),
  ('tick.qa',               NULL,         '02:30'),
  ('tick.knowledge',        NULL,         '03:00'),
  ('tick.prune.gdpr-audit', NULL,         'Sun 03:00'),
  ('tick.tune.weekly',      NULL,         'Mon 04:00');

GRANT SELECT, UPDATE (next_at, last_at) ON pipeline.schedules TO omnibus_scheduler;
GRANT SELECT, UPDATE (next_at, enabled) ON pipeline.schedules TO omnibus_operator;
GRANT SELECT ON pipeline.schedules TO omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP TABLE pipeline.schedules;
SELECT pipeline.drop_worker('scheduler');
