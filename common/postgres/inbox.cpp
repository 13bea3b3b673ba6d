#include "postgres/inbox.hpp"

#include <pqxx/pqxx>

namespace omnibus::postgres {

InboxVerdict admit(pqxx::transaction_base& transaction, std::string_view consumer, Uuid const& run_id,
                   Uuid const& event_id, std::string_view topic, std::int32_t partition, std::int64_t epoch) {
  auto const verdict =
      transaction
          .exec("SELECT pipeline.admit($1, $2::uuid, $3::uuid, $4, $5::int, $6::bigint)",
                pqxx::params{consumer, to_string(run_id), to_string(event_id), topic, partition, epoch})
          .one_field()
          .as<std::string>();
  if (verdict == "new") return InboxVerdict::admitted;
  return verdict == "fenced" ? InboxVerdict::fenced : InboxVerdict::duplicate;
}

void note_parked(pqxx::transaction_base& transaction, std::string_view consumer, Uuid const& run_id,
                 Uuid const& event_id, std::string_view error_class) {
  transaction.exec(
      "UPDATE pipeline.inbox SET error_class = $4 WHERE consumer = $1 AND run_id = $2::uuid AND event_id = $3::uuid",
      pqxx::params{consumer, to_string(run_id), to_string(event_id), error_class});
}

bool was_processed(pqxx::connection& connection, std::string_view consumer, Uuid const& run_id, Uuid const& event_id) {
  // A plain SELECT would neither see nor wait for a transaction that is still committing.
  pqxx::work transaction{connection};
  auto const inserted = transaction.exec(
      "INSERT INTO pipeline.inbox (consumer, run_id, event_id) VALUES ($1, $2::uuid, $3::uuid) ON CONFLICT DO NOTHING",
      pqxx::params{consumer, to_string(run_id), to_string(event_id)});
  transaction.abort();
  return inserted.affected_rows() == 0;
}

std::int64_t prune_inbox(pqxx::connection& connection, std::string_view consumer, std::chrono::hours age,
                         std::int64_t limit) {
  pqxx::nontransaction query{connection};
  return query
      .exec("SELECT pipeline.prune_inbox($1, make_interval(hours => $2::int), $3::bigint)",
            pqxx::params{consumer, static_cast<std::int64_t>(age.count()), limit})
      .one_field()
      .as<std::int64_t>();
}

}  // namespace omnibus::postgres
