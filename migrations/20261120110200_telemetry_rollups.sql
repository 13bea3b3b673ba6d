-- Sums over the calls of chat_telemetry, by 15 minutes and by day (UTC): of all, by domain, by domain and model.
--
-- They are written in the transaction that writes the calls: a call whose key that very transaction has claimed is added,
-- any other is not. So at every moment they are the sums of the rows there are, whatever comes twice, late, in another
-- order or again after a crash; no bucket has to be read again for it. pipeline.rebuild_telemetry computes them anew.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

-- --- histograms --------------------------------------------------------------------------------------------------------
-- Of durations in ms, as in DDSketch (Masson, Rim, Lee, "DDSketch: a fast and fully-mergeable quantile sketch with
-- relative-error guarantees", VLDB 2019) with a = 5 % and g = (1 + a) / (1 - a) = 21/19: bucket i counts what is in
-- (g^(i-1), g^i], and 2 g^i / (g + 1) = 0.95 g^i is within 5 % of all of it. The subscripts of the array are the bucket
-- numbers, from the lowest to the highest that was needed. Merging is adding. The same formulas are in
-- workers/telemetry/histogram.cpp.
CREATE FUNCTION pipeline.duration_bucket(p_ms bigint) RETURNS int
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
RETURN ceil(ln(greatest(p_ms, 1)::float8) / 0.10008345855698253)::int;
COMMENT ON FUNCTION pipeline.duration_bucket IS 'The histogram bucket of a duration; what is shorter than 1 ms is with that.';

CREATE FUNCTION pipeline.add_histogram(p_to int[], p_what int[]) RETURNS int[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
  v_low  int := array_lower(p_what, 1);
  v_high int := array_upper(p_what, 1);
BEGIN
  IF v_low IS NULL THEN
    RETURN coalesce(p_to, '{}');
  END IF;
  IF array_lower(p_to, 1) IS NULL THEN
    RETURN p_what;
  END IF;
  FOR i IN REVERSE array_lower(p_to, 1) - 1 .. v_low LOOP
    p_to[i] := 0;
  END LOOP;
  FOR i IN array_upper(p_to, 1) + 1 .. v_high LOOP
    p_to[i] := 0;
  END LOOP;
  FOR i IN v_low .. v_high LOOP
    IF p_what[i] > 0 THEN
      p_to[i] := p_to[i] + p_what[i];
    END IF;
  END LOOP;
  RETURN p_to;
END
$$;
CREATE AGGREGATE pipeline.sum_histogram(int[]) (SFUNC = pipeline.add_histogram, STYPE = int[], INITCOND = '{}', PARALLEL = SAFE);

CREATE FUNCTION pipeline.histogram_quantile(p_histogram int[], p_share float8) RETURNS float8
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (
  SELECT 0.95 * exp(c.bucket * 0.10008345855698253)
  FROM (SELECT i AS bucket, p_histogram[i] AS n, sum(p_histogram[i]) OVER (ORDER BY i) AS upto,
               sum(p_histogram[i]) OVER () AS total
        FROM generate_subscripts(p_histogram, 1) AS i) AS c
  WHERE c.n > 0 AND c.upto > p_share * (c.total - 1)
  ORDER BY c.bucket LIMIT 1
);
COMMENT ON FUNCTION pipeline.histogram_quantile IS 'A quantile in ms, within 5 % of the true one; null of an empty histogram.';

-- --- tables ------------------------------------------------------------------------------------------------------------
CREATE TABLE chat_telemetry_rollups (
  granularity     text          NOT NULL CHECK (granularity IN ('15m', '1d')),
  bucket_start    timestamptz   NOT NULL,
  calls           bigint        NOT NULL,
  successes       bigint        NOT NULL,
  failures        bigint        NOT NULL,
  input_tokens    bigint        NOT NULL,
  output_tokens   bigint        NOT NULL,
  cost_usd        numeric(28,9) NOT NULL,
  duration_sum_ms bigint        NOT NULL,
  duration_hist   int[]         NOT NULL,
  searches        bigint        NOT NULL DEFAULT 0,
  zero_results    bigint        NOT NULL DEFAULT 0,
  refreshed_at    timestamptz   NOT NULL DEFAULT now(),
  PRIMARY KEY (granularity, bucket_start)
)
WITH (fillfactor = 50); -- its few rows change with every batch: room for them to stay on their page
COMMENT ON COLUMN chat_telemetry_rollups.refreshed_at IS 'When it was last written.';

CREATE TABLE chat_telemetry_domain_rollups (
  LIKE chat_telemetry_rollups INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
  domain text NOT NULL,
  PRIMARY KEY (granularity, bucket_start, domain)
)
WITH (fillfactor = 70);

-- With the domain, so that a tenant can be shown what its models cost, and no other's.
CREATE TABLE chat_telemetry_model_rollups (
  LIKE chat_telemetry_rollups INCLUDING DEFAULTS INCLUDING CONSTRAINTS,
  domain   text NOT NULL,
  provider text NOT NULL,
  model    text NOT NULL,
  PRIMARY KEY (granularity, bucket_start, domain, provider, model)
)
WITH (fillfactor = 70);
COMMENT ON COLUMN chat_telemetry_model_rollups.model IS 'The model asked for, which failed calls have as well.';

ALTER TABLE chat_telemetry_rollups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE chat_telemetry_domain_rollups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
ALTER TABLE chat_telemetry_model_rollups ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY everything ON chat_telemetry_rollups TO omnibus_owner, omnibus_telemetry, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY everything ON chat_telemetry_domain_rollups TO omnibus_owner, omnibus_telemetry, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY everything ON chat_telemetry_model_rollups TO omnibus_owner, omnibus_telemetry, omnibus_replay, omnibus_readonly
  USING (true) WITH CHECK (true);
CREATE POLICY own_tenant ON chat_telemetry_domain_rollups TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY own_tenant ON chat_telemetry_model_rollups TO omnibus_gateway
  USING (domain = NULLIF(current_setting('app.tenant', true), ''));
CREATE POLICY operator ON chat_telemetry_rollups TO omnibus_gateway USING (current_setting('app.role', true) = 'operator');
CREATE POLICY operator ON chat_telemetry_domain_rollups TO omnibus_gateway USING (current_setting('app.role', true) = 'operator');
CREATE POLICY operator ON chat_telemetry_model_rollups TO omnibus_gateway USING (current_setting('app.role', true) = 'operator');
GRANT SELECT, INSERT, UPDATE ON chat_telemetry_rollups, chat_telemetry_domain_rollups, chat_telemetry_model_rollups
  TO omnibus_telemetry, omnibus_replay;
GRANT SELECT ON chat_telemetry_rollups, chat_telemetry_domain_rollups, chat_telemetry_model_rollups TO omnibus_gateway, omnibus_readonly;

CREATE VIEW chat_telemetry_metrics WITH (security_invoker = true) AS
SELECT date_bin('1 hour', bucket_start, '2000-01-01 00:00:00+00') AS hour, domain, sum(calls)::bigint AS calls,
       sum(successes)::bigint AS successes, sum(failures)::bigint AS failures, sum(input_tokens)::bigint AS input_tokens,
       sum(output_tokens)::bigint AS output_tokens, sum(cost_usd) AS cost_usd,
       pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.5) AS p50_ms,
       pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.95) AS p95_ms,
       pipeline.histogram_quantile(pipeline.sum_histogram(duration_hist), 0.99) AS p99_ms,
       sum(searches)::bigint AS searches, sum(zero_results)::bigint AS zero_results, max(refreshed_at) AS refreshed_at
FROM chat_telemetry_domain_rollups
WHERE granularity = '15m'
GROUP BY 1, 2;
COMMENT ON VIEW chat_telemetry_metrics IS 'By hour and domain.';
GRANT SELECT ON chat_telemetry_metrics TO omnibus_telemetry, omnibus_gateway, omnibus_readonly;

-- --- rebuild -----------------------------------------------------------------------------------------------------------
CREATE FUNCTION pipeline.rebuild_telemetry(p_day date, p_reprice_by int DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_from  timestamptz := p_day::timestamp AT TIME ZONE 'UTC';
  v_to    timestamptz := (p_day + 1)::timestamp AT TIME ZONE 'UTC';
  v_calls bigint;
BEGIN
  -- In the order in which workers lock them. Whoever has added to a rollup has committed then; whoever has written calls
  -- and not yet added them waits, and adds them to what is here.
  LOCK TABLE public.chat_telemetry_rollups, public.chat_telemetry_domain_rollups, public.chat_telemetry_model_rollups
    IN EXCLUSIVE MODE;
  IF p_day < (SELECT f.day FROM pipeline.telemetry_floor f) THEN
    RAISE EXCEPTION 'the calls of % were dropped: its rollups are all there is of it', p_day
      USING ERRCODE = 'datetime_field_overflow';
  END IF;
  IF p_reprice_by IS NOT NULL THEN
    UPDATE public.chat_telemetry c SET cost_usd = r.cost_usd, price_version = p_reprice_by
    FROM (SELECT t.ctid, t.tableoid, pipeline.llm_cost(p_reprice_by, t.request_model, t.ts, t.input_tokens, t.cached_input_tokens, t.output_tokens) AS cost_usd
          FROM public.chat_telemetry t WHERE t.ts >= v_from AND t.ts < v_to AND t.success) AS r
    WHERE c.ts >= v_from AND c.ts < v_to AND c.ctid = r.ctid AND c.tableoid = r.tableoid AND r.cost_usd IS NOT NULL
      AND (c.cost_usd, c.price_version) IS DISTINCT FROM (r.cost_usd, p_reprice_by);
  END IF;

  DELETE FROM public.chat_telemetry_rollups WHERE bucket_start >= v_from AND bucket_start < v_to;
  DELETE FROM public.chat_telemetry_domain_rollups WHERE bucket_start >= v_from AND bucket_start < v_to;
  DELETE FROM public.chat_telemetry_model_rollups WHERE bucket_start >= v_from AND bucket_start < v_to;

  INSERT INTO public.chat_telemetry_model_rollups (granularity, bucket_start, domain, provider, model, calls, successes,
    failures, input_tokens, output_tokens, cost_usd, duration_sum_ms, duration_hist, searches, zero_results)
  SELECT '15m', date_bin('15 minutes', ts, '2000-01-01 00:00:00+00'), domain, provider, request_model, count(*),
         count(*) FILTER (WHERE success), count(*) FILTER (WHERE NOT success), sum(input_tokens), sum(output_tokens),
         sum(cost_usd), sum(duration_ms),
         pipeline.sum_histogram(array_fill(1, ARRAY[1], ARRAY[pipeline.duration_bucket(duration_ms)])),
         coalesce(sum(search_calls), 0), coalesce(sum(search_zero_results), 0)
  FROM public.chat_telemetry
  WHERE ts >= v_from AND ts < v_to
  GROUP BY 2, domain, provider, request_model;

  INSERT INTO public.chat_telemetry_domain_rollups (granularity, bucket_start, domain, calls, successes, failures,
    input_tokens, output_tokens, cost_usd, duration_sum_ms, duration_hist, searches, zero_results)
  SELECT granularity, bucket_start, domain, sum(calls), sum(successes), sum(failures), sum(input_tokens),
         sum(output_tokens), sum(cost_usd), sum(duration_sum_ms), pipeline.sum_histogram(duration_hist), sum(searches),
         sum(zero_results)
  FROM public.chat_telemetry_model_rollups
  WHERE granularity = '15m' AND bucket_start >= v_from AND bucket_start < v_to
  GROUP BY granularity, bucket_start, domain;

  INSERT INTO public.chat_telemetry_rollups (granularity, bucket_start, calls, successes, failures, input_tokens,
    output_tokens, cost_usd, duration_sum_ms, duration_hist, searches, zero_results)
  SELECT granularity, bucket_start, sum(calls), sum(successes), sum(failures), sum(input_tokens), sum(output_tokens),
         sum(cost_usd), sum(duration_sum_ms), pipeline.sum_histogram(duration_hist), sum(searches), sum(zero_results)
  FROM public.chat_telemetry_domain_rollups
  WHERE granularity = '15m' AND bucket_start >= v_from AND bucket_start < v_to
  GROUP BY granularity, bucket_start;

  -- The day is the sum of its quarters of an hour.
  INSERT INTO public.chat_telemetry_model_rollups (granularity, bucket_start, domain, provider, model, calls, successes,
    failures, input_tokens, output_tokens, cost_usd, duration_sum_ms, duration_hist, searches, zero_results)
  SELECT '1d', v_from, domain, provider, model, sum(calls), sum(successes), sum(failures), sum(input_tokens),
         sum(output_tokens), sum(cost_usd), sum(duration_sum_ms), pipeline.sum_histogram(duration_hist), sum(searches),
         sum(zero_results)
  FROM public.chat_telemetry_model_rollups
  WHERE granularity = '15m' AND bucket_start >= v_from AND bucket_start < v_to
  GROUP BY domain, provider, model;

  INSERT INTO public.chat_telemetry_domain_rollups (granularity, bucket_start, domain, calls, successes, failures,
    input_tokens, output_tokens, cost_usd, duration_sum_ms, duration_hist, searches, zero_results)
  SELECT '1d', v_from, domain, sum(calls), sum(successes), sum(failures), sum(input_tokens), sum(output_tokens),
         sum(cost_usd), sum(duration_sum_ms), pipeline.sum_histogram(duration_hist), sum(searches), sum(zero_results)
  FROM public.chat_telemetry_domain_rollups
  WHERE granularity = '15m' AND bucket_start >= v_from AND bucket_start < v_to
  GROUP BY domain;

  INSERT INTO public.chat_telemetry_rollups (granularity, bucket_start, calls, successes, failures, input_tokens,
    output_tokens, cost_usd, duration_sum_ms, duration_hist, searches, zero_results)
  SELECT '1d', v_from, sum(calls), sum(successes), sum(failures), sum(input_tokens), sum(output_tokens), sum(cost_usd),
         sum(duration_sum_ms), pipeline.sum_histogram(duration_hist), sum(searches), sum(zero_results)
  FROM public.chat_telemetry_rollups
  WHERE granularity = '15m' AND bucket_start >= v_from AND bucket_start < v_to
  HAVING count(*) > 0
  RETURNING calls INTO v_calls;
  RETURN coalesce(v_calls, 0);
END
$$;
COMMENT ON FUNCTION pipeline.rebuild_telemetry IS 'Computes the rollups of one day (UTC) anew from its calls, and returns how many those are; with p_reprice_by the cost of each call first, by that list of pipeline.llm_prices.';
REVOKE EXECUTE ON FUNCTION pipeline.rebuild_telemetry(date, int) FROM PUBLIC;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.rebuild_telemetry(date, int);
DROP VIEW chat_telemetry_metrics;
DROP TABLE chat_telemetry_model_rollups;
DROP TABLE chat_telemetry_domain_rollups;
DROP TABLE chat_telemetry_rollups;
DROP FUNCTION pipeline.histogram_quantile(int[], float8);
DROP AGGREGATE pipeline.sum_histogram(int[]);
DROP FUNCTION pipeline.add_histogram(int[], int[]);
DROP FUNCTION pipeline.duration_bucket(bigint);
