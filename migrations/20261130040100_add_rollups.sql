-- A batch's rollups are added in one call, whose plans a session makes once: the rows that every worker changes are locked
-- for one statement and the commit, instead of four statements and the commit.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- p_keys is how many columns a row's key has besides granularity and bucket_start: 0 of all calls, 1 by domain, 3 by model.
-- Rows are locked in the order of insertion, and every batch is sorted, so there is no deadlock. The rows that every worker
-- adds to come last: a worker that waits for a row of one tenant keeps no other from its own. The tables are locked before,
-- in the order of rebuild_telemetry.
CREATE FUNCTION pipeline.add_telemetry_rollups(p_keys int[], p_granularities text[], p_bucket_starts timestamptz[], p_domains text[],
                                               p_providers text[], p_models text[], p_calls bigint[], p_failures bigint[],
                                               p_input_tokens bigint[], p_output_tokens bigint[], p_costs numeric[],
                                               p_durations bigint[], p_histograms text[], p_searches bigint[],
                                               p_zero_results bigint[])
RETURNS void
LANGUAGE plpgsql VOLATILE AS $$
BEGIN
  LOCK TABLE chat_telemetry_rollups, chat_telemetry_domain_rollups, chat_telemetry_model_rollups IN ROW EXCLUSIVE MODE;

  INSERT INTO chat_telemetry_model_rollups AS r
    (granularity, bucket_start, domain, provider, model, calls, successes, failures, input_tokens, output_tokens, cost_usd,
     duration_sum_ms, duration_hist, searches, zero_results)
  SELECT a.granularity, a.bucket_start, a.domain, a.provider, a.model, a.calls, a.calls - a.failures, a.failures,
         a.input_tokens, a.output_tokens, a.cost_usd, a.duration_sum_ms, a.duration_hist::int[], a.searches, a.zero_results
  FROM unnest(p_keys, p_granularities, p_bucket_starts, p_domains, p_providers, p_models, p_calls, p_failures,
              p_input_tokens, p_output_tokens, p_costs, p_durations, p_histograms, p_searches, p_zero_results)
    AS a (keys, granularity, bucket_start, domain, provider, model, calls, failures, input_tokens, output_tokens, cost_usd,
          duration_sum_ms, duration_hist, searches, zero_results)
  WHERE a.keys = 3
  ORDER BY a.granularity, a.bucket_start, a.domain, a.provider, a.model
  ON CONFLICT (granularity, bucket_start, domain, provider, model) DO UPDATE
  SET calls = r.calls + excluded.calls, successes = r.successes + excluded.successes,
      failures = r.failures + excluded.failures, input_tokens = r.input_tokens + excluded.input_tokens,
      output_tokens = r.output_tokens + excluded.output_tokens, cost_usd = r.cost_usd + excluded.cost_usd,
      duration_sum_ms = r.duration_sum_ms + excluded.duration_sum_ms,
      duration_hist = pipeline.add_histogram(r.duration_hist, excluded.duration_hist),
      searches = r.searches + excluded.searches, zero_results = r.zero_results + excluded.zero_results,
      refreshed_at = excluded.refreshed_at;

  INSERT INTO chat_telemetry_domain_rollups AS r
    (granularity, bucket_start, domain, calls, successes, failures, input_tokens, output_tokens, cost_usd, duration_sum_ms,
     duration_hist, searches, zero_results)
  SELECT a.granularity, a.bucket_start, a.domain, a.calls, a.calls - a.failures, a.failures, a.input_tokens,
         a.output_tokens, a.cost_usd, a.duration_sum_ms, a.duration_hist::int[], a.searches, a.zero_results
  FROM unnest(p_keys, p_granularities, p_bucket_starts, p_domains, p_calls, p_failures, p_input_tokens, p_output_tokens,
              p_costs, p_durations, p_histograms, p_searches, p_zero_results)
    AS a (keys, granularity, bucket_start, domain, calls, failures, input_tokens, output_tokens, cost_usd, duration_sum_ms,
          duration_hist, searches, zero_results)
  WHERE a.keys = 1
  ORDER BY a.granularity, a.bucket_start, a.domain
  ON CONFLICT (granularity, bucket_start, domain) DO UPDATE
  SET calls = r.calls + excluded.calls, successes = r.successes + excluded.successes,
      failures = r.failures + excluded.failures, input_tokens = r.input_tokens + excluded.input_tokens,
      output_tokens = r.output_tokens + excluded.output_tokens, cost_usd = r.cost_usd + excluded.cost_usd,
      duration_sum_ms = r.duration_sum_ms + excluded.duration_sum_ms,
      duration_hist = pipeline.add_histogram(r.duration_hist, excluded.duration_hist),
      searches = r.searches + excluded.searches, zero_results = r.zero_results + excluded.zero_results,
      refreshed_at = excluded.refreshed_at;

  INSERT INTO chat_telemetry_rollups AS r
    (granularity, bucket_start, calls, successes, failures, input_tokens, output_tokens, cost_usd, duration_sum_ms,
     duration_hist, searches, zero_results)
  SELECT a.granularity, a.bucket_start, a.calls, a.calls - a.failures, a.failures, a.input_tokens, a.output_tokens,
         a.cost_usd, a.duration_sum_ms, a.duration_hist::int[], a.searches, a.zero_results
  FROM unnest(p_keys, p_granularities, p_bucket_starts, p_calls, p_failures, p_input_tokens, p_output_tokens, p_costs,
              p_durations, p_histograms, p_searches, p_zero_results)
    AS a (keys, granularity, bucket_start, calls, failures, input_tokens, output_tokens, cost_usd, duration_sum_ms,
          duration_hist, searches, zero_results)
  WHERE a.keys = 0
  ORDER BY a.granularity, a.bucket_start
  ON CONFLICT (granularity, bucket_start) DO UPDATE
  SET calls = r.calls + excluded.calls, successes = r.successes + excluded.successes,
      failures = r.failures + excluded.failures, input_tokens = r.input_tokens + excluded.input_tokens,
      output_tokens = r.output_tokens + excluded.output_tokens, cost_usd = r.cost_usd + excluded.cost_usd,
      duration_sum_ms = r.duration_sum_ms + excluded.duration_sum_ms,
      duration_hist = pipeline.add_histogram(r.duration_hist, excluded.duration_hist),
      searches = r.searches + excluded.searches, zero_results = r.zero_results + excluded.zero_results,
      refreshed_at = excluded.refreshed_at;
END
$$;
COMMENT ON FUNCTION pipeline.add_telemetry_rollups IS 'Adds sums of calls to the three tables of rollups.';

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.add_telemetry_rollups(int[], text[], timestamptz[], text[], text[], text[], bigint[], bigint[], bigint[],
                                             bigint[], numeric[], bigint[], text[], bigint[], bigint[]);
