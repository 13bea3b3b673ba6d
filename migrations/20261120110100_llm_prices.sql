-- What models cost, by date: for computing the cost of past calls again.

-- migrate:up
SET LOCAL ROLE omnibus_owner;

CREATE TABLE pipeline.llm_prices (
  price_version    int           NOT NULL CHECK (price_version > 0),
  model            text          NOT NULL CHECK (model <> ''),
  valid_from       timestamptz   NOT NULL,
  input_usd        numeric(12,6) NOT NULL CHECK (input_usd BETWEEN 0 AND 1000),
  cached_input_usd numeric(12,6) NOT NULL CHECK (cached_input_usd BETWEEN 0 AND 1000),
  output_usd       numeric(12,6) NOT NULL CHECK (output_usd BETWEEN 0 AND 1000),
  PRIMARY KEY (price_version, model, valid_from)
);
COMMENT ON TABLE pipeline.llm_prices IS 'Lists of prices in US dollars per million tokens. A list is never changed: a correction is a list of the next version, whole.';
COMMENT ON COLUMN pipeline.llm_prices.valid_from IS 'From when on the model cost this, until its next row of the same list.';

-- The list that the callers have built in (common/llm/prices.cpp), of 2025.
INSERT INTO pipeline.llm_prices (price_version, model, valid_from, input_usd, cached_input_usd, output_usd)
SELECT 1, model, CASE WHEN model LIKE 'omnibus-%' THEN '-infinity'::timestamptz ELSE '2025-01-01 00:00:00+00' END, input, cached, output
FROM (VALUES
  ('gpt-4o',        2.5,  1.25,  10),
  ('gpt-4o-mini',   0.15, 0.075, 0.6),
  ('gpt-4.1',       2,    0.5,   8),
  ('gpt-4.1-mini',  0.4,  0.1,   1.6),
  ('gpt-4.1-nano',  0.1,  0.025, 0.4),
  ('gpt-5',         1.25, 0.125, 10),
  ('gpt-5-mini',    0.25, 0.025, 2),
  ('gpt-5-nano',    0.05, 0.005, 0.4),
  ('o3',            2,    0.5,   8),
  ('o4-mini',       1.1,  0.275, 4.4),
  ('omnibus-small', 0.15, 0.075, 0.6),
  ('omnibus-large', 2.5,  1.25,  10)
) AS listed (model, input, cached, output);

CREATE FUNCTION pipeline.llm_cost(p_version int, p_model text, p_at timestamptz, p_input bigint, p_cached bigint, p_output bigint)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
  SELECT round(((greatest(p_input - p_cached, 0)) * p.input_usd + least(p_cached, p_input) * p.cached_input_usd
                + p_output * p.output_usd) / 1000000, 9)
  FROM pipeline.llm_prices p
  WHERE p.price_version = p_version AND p.valid_from <= p_at AND starts_with(p_model, p.model)
    -- gpt-4o-mini-2024-07-18 and gpt-4o-latest cost what the model costs that they are a version of.
    AND substr(p_model, length(p.model) + 1) ~ '^(-(latest|[0-9]+))*$'
  ORDER BY length(p.model) DESC, p.valid_from DESC
  LIMIT 1
);
COMMENT ON FUNCTION pipeline.llm_cost IS 'The cost of a call in US dollars, by a list and the time of the call; null when the list has no price for it.';

GRANT SELECT ON pipeline.llm_prices TO omnibus_telemetry, omnibus_replay, omnibus_readonly;

RESET ROLE;

-- migrate:down
DROP FUNCTION pipeline.llm_cost(int, text, timestamptz, bigint, bigint, bigint);
DROP TABLE pipeline.llm_prices;
