#include "postgres/dead_letters.hpp"

#include "postgres/rows.hpp"

#include <exception>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

struct TakenLetter {
  Uuid letter_id;
  LetterAction action{};
};
BOOST_DESCRIBE_STRUCT(TakenLetter, (), (letter_id, action))

}  // namespace

std::string_view to_string(LetterAction action) {
  return action == LetterAction::redriven ? "redriven" : "dropped";
}

bool take_letter(pqxx::transaction_base& transaction, LetterKey const& letter, LetterAction action,
                 std::string_view actor) {
  std::optional<std::string> event_key;
  if (letter.event_key) event_key = to_string(*letter.event_key);
  return transaction
      .exec(
          "SELECT pipeline.take_dead_letter($1::uuid, $2, $3::int, $4::bigint, $5, $6, $7, $8::uuid, $9::text[], $10, "
          "$11::int, $12::bigint)",
          pqxx::params{to_string(letter.id), letter.topic, letter.partition, letter.offset, to_string(action), actor,
                       letter.consumer, event_key, letter.about.keys(), letter.about.topic, letter.about.partition,
                       letter.about.offset})
      .one_field()
      .as<bool>();
}

bool is_refused(pqxx::connection& connection, About const& about) {
  if (about.subjects.empty()) return false;
  pqxx::nontransaction query{connection};
  return query.query_value<bool>("SELECT pipeline.is_refused($1::text[], $2, $3::int, $4::bigint)",
                                 pqxx::params{about.keys(), about.topic, about.partition, about.offset});
}

std::unordered_map<Uuid, LetterAction> letter_actions(pqxx::connection& connection, std::string_view topic) {
  pqxx::nontransaction query{connection};
  std::unordered_map<Uuid, LetterAction> actions;
  for (auto const& [id, action] : read<TakenLetter>(
           query, "SELECT letter_id, action FROM pipeline.dead_letter_actions WHERE topic = $1", pqxx::params{topic}))
    actions.emplace(id, action);
  return actions;
}

PartitionTurn::PartitionTurn(pqxx::connection& connection, std::string_view topic, std::int32_t partition)
    : connection_{connection} {
  pqxx::nontransaction query{connection};
  key_ = query.query_value<std::int64_t>(
      "SELECT hashtextextended('dead letters' || chr(10) || $1 || chr(10) || $2::int, 0)",
      pqxx::params{topic, partition});
  query.exec("SELECT pg_advisory_lock($1::bigint)", pqxx::params{key_});
}

PartitionTurn::~PartitionTurn() {
  try {
    pqxx::nontransaction query{connection_};
    query.exec("SELECT pg_advisory_unlock($1::bigint)", pqxx::params{key_});
  } catch (std::exception const&) {
    // The connection is lost, and the lock with it.
  }
}

}  // namespace omnibus::postgres
