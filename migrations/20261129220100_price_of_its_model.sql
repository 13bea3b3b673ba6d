-- A price belongs to its model: only a date or -latest at the end of a name is a version of the same model. Digits are part
-- of a name: claude-opus-4-1 does not cost what claude-opus-4 does.

-- migrate:up
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION pipeline.llm_cost(p_version int, p_model text, p_at timestamptz, p_input bigint, p_cached bigint, p_output bigint)
RETURNS numeric
LANGUAGE sql STABLE PARALLEL SAFE
RETURN (
  SELECT round(((greatest(p_input - p_cached, 0)) * p.input_usd + least(p_cached, p_input) * p.cached_input_usd
                + p_output * p.output_usd) / 1000000, 9)
  FROM pipeline.llm_prices p
  WHERE p.price_version = p_version AND p.valid_from <= p_at AND starts_with(p_model, p.model)
    -- gpt-4o-mini-2024-07-18 and gpt-4o-latest cost what the model costs that they are a version of.
    AND substr(p_model, length(p.model) + 1)
        ~ '^(|-latest|-(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])|-(19|20)[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01]))$'
  ORDER BY length(p.model) DESC, p.valid_from DESC
  LIMIT 1
);
RESET ROLE;

-- migrate:down
SET LOCAL ROLE omnibus_owner;
CREATE OR REPLACE FUNCTION pipeline.llm_cost(p_version int, p_model text, p_at timestamptz, p_input bigint, p_cached bigint, p_output bigint)
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
RESET ROLE;
