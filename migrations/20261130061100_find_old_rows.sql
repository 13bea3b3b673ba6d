-- Rows that are too old are found by an index in each table that a run of retention prunes by age. A BRIN index finds
-- them only until the pages of deleted rows are used again: then each of its ranges holds old and new.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

DROP INDEX pipeline.forgotten_by_age;
CREATE INDEX forgotten_by_age ON pipeline.forgotten (forgotten_at);
DROP INDEX pipeline.idempotency_keys_by_age;
CREATE INDEX idempotency_keys_by_age ON pipeline.idempotency_keys (created_at);
DROP INDEX pipeline.llm_responses_by_age;
CREATE INDEX llm_responses_by_age ON pipeline.llm_responses (created_at);
DROP INDEX access_log_by_age;
CREATE INDEX access_log_by_age ON access_log (created_at);
GRANT SELECT, DELETE ON pipeline.forgotten TO omnibus_gdpr;

RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;

REVOKE SELECT, DELETE ON pipeline.forgotten FROM omnibus_gdpr;
DROP INDEX access_log_by_age;
CREATE INDEX access_log_by_age ON access_log USING brin (created_at) WITH (autosummarize = on);
DROP INDEX pipeline.llm_responses_by_age;
CREATE INDEX llm_responses_by_age ON pipeline.llm_responses USING brin (created_at) WITH (autosummarize = on);
DROP INDEX pipeline.idempotency_keys_by_age;
CREATE INDEX idempotency_keys_by_age ON pipeline.idempotency_keys USING brin (created_at);
DROP INDEX pipeline.forgotten_by_age;
CREATE INDEX forgotten_by_age ON pipeline.forgotten USING brin (forgotten_at) WITH (pages_per_range = 32, autosummarize = on);

RESET ROLE;
