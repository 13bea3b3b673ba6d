#include "assistant/answer_store.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "postgres/rows.hpp"

#include <string>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::assistant {

void PostgresAnswers::record(UnitOfWork& unit, Uuid const& event_key, std::string_view step,
                             RecordedAnswer const& answer) {
  unit.transaction().exec(
      "INSERT INTO pipeline.llm_responses (request_key, event_id, model, response) VALUES ($1, $2, $3, $4)"
      " ON CONFLICT (request_key) DO NOTHING",
      pqxx::params{to_string(request_key(event_key, step)), to_string(event_key), answer.model, json::encode(answer)});
}

void PostgresAnswers::forget(UnitOfWork& unit, Uuid const& event_key) {
  unit.transaction().exec("DELETE FROM pipeline.llm_responses WHERE event_id = $1", pqxx::params{to_string(event_key)});
}

Task<std::optional<RecordedAnswer>> PostgresAnswers::find(Context& context, std::string_view step) {
  auto const key = to_string(request_key(context.event_key(), step));
  auto reading = context.read([&](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read_optional<std::string>(
        query, "SELECT response::text FROM pipeline.llm_responses WHERE request_key = $1", pqxx::params{key});
  });
  auto const text = co_await std::move(reading);
  if (!text) co_return std::nullopt;
  auto recorded = json::decode<RecordedAnswer>(*text);
  if (!recorded) co_return std::nullopt;
  co_return *std::move(recorded);
}

}  // namespace omnibus::assistant
