#include "assistant/answer_store.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"
#include "postgres/column.hpp"
#include "postgres/rows.hpp"

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::assistant {
namespace {

/// A row of pipeline.llm_responses.
struct AnswerRow {
  std::string request_key;
  std::string event_id;
  std::string model;
  std::string response;
};

// Sorted, so that two transactions with the same answers wait for one another. The outcome is not known yet.
void store_answers(pqxx::transaction_base& transaction, std::vector<AnswerRow> const& rows, std::string_view conflict) {
  auto const all = [&](auto member) {
    return postgres::column(rows, [&](AnswerRow const& row) { return row.*member; });
  };
  transaction.exec(fmt::format(R"(
      INSERT INTO pipeline.llm_responses (request_key, event_id, model, response, outcome)
      SELECT a.request_key, a.event_id, a.model, a.response::jsonb, NULL
      FROM unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) AS a (request_key, event_id, model, response)
      ORDER BY a.request_key
      ON CONFLICT (request_key) DO {})",
                               conflict),
                   pqxx::params{all(&AnswerRow::request_key), all(&AnswerRow::event_id), all(&AnswerRow::model),
                                all(&AnswerRow::response)});
}

std::vector<std::monostate> record_answers(pqxx::transaction_base& transaction, std::vector<AnswerRow> const& rows) {
  store_answers(transaction, rows, "NOTHING");
  return std::vector<std::monostate>(rows.size());
}

std::vector<std::monostate> replace_answers(pqxx::transaction_base& transaction, std::vector<AnswerRow> const& rows) {
  store_answers(transaction, rows, "UPDATE SET model = excluded.model, response = excluded.response");
  return std::vector<std::monostate>(rows.size());
}

AnswerRow row_of(Uuid const& event_key, std::string_view step, RecordedAnswer const& answer) {
  return {to_string(request_key(event_key, step)), to_string(event_key), answer.model, json::encode(answer)};
}

}  // namespace

void PostgresAnswers::record(UnitOfWork& unit, Uuid const& event_key, std::string_view step,
                             RecordedAnswer const& answer) {
  unit.write_together<record_answers>(row_of(event_key, step, answer), [](std::monostate) {});
}

void PostgresAnswers::replace(UnitOfWork& unit, Uuid const& event_key, std::string_view step,
                              RecordedAnswer const& answer) {
  unit.write_together<replace_answers>(row_of(event_key, step, answer), [](std::monostate) {});
}

void PostgresAnswers::forget(UnitOfWork& unit, Uuid const& event_key) {
  unit.transaction().exec("DELETE FROM pipeline.llm_responses WHERE event_id = $1", pqxx::params{to_string(event_key)});
}

Task<std::optional<RecordedAnswer>> PostgresAnswers::find(Context& context, std::string_view step) {
  auto const key = to_string(request_key(context.event_key(), step));
  auto reading = context.read([&](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read_optional<std::string>(
        query, "SELECT response::text FROM pipeline.llm_responses WHERE request_key = $1 AND response IS NOT NULL",
        pqxx::params{key});
  });
  auto const text = co_await std::move(reading);
  if (!text) co_return std::nullopt;
  auto recorded = json::decode<RecordedAnswer>(*text);
  if (!recorded) co_return std::nullopt;
  co_return *std::move(recorded);
}

}  // namespace omnibus::assistant
