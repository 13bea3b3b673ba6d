#include "faults/failpoint.hpp"
#include "postgres/admission.hpp"
#include "postgres/rows.hpp"

#include <optional>
#include <stdexcept>
#include <unordered_set>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::postgres {
namespace {

/// An event of a batch that is new, or erased; without an id the answer is for all of them.
struct BatchAdmission {
  std::optional<Uuid> event_id;
  std::string verdict;
  std::int64_t first_outbox_id = 0;
};
BOOST_DESCRIBE_STRUCT(BatchAdmission, (), (event_id, verdict, first_outbox_id))

/// The arguments of admit_all about people.
void append_people_of(std::string& sql, pqxx::connection const& connection, BatchKey const& key) {
  std::vector<std::string> ids;
  std::vector<About const*> about;
  for (std::size_t i = 0; i < key.about.size(); ++i) {
    if (key.about[i].subjects.empty()) continue;
    ids.push_back(to_string(key.event_ids.at(i)));
    about.push_back(&key.about[i]);
  }
  append_about(sql, connection, ids, about);
}

}  // namespace

CommitResult run_batch_unit(pqxx::connection& connection, BatchKey const& key,
                            std::function<void(OpenUnit&, std::vector<bool> const& is_new)> const& work) {
  if (key.claims.empty()) throw std::invalid_argument("a batch needs at least one claim");
  std::vector<std::string> topics;
  std::vector<std::int32_t> partitions;
  std::vector<std::int64_t> epochs;
  for (auto const& claim : key.claims) {
    topics.push_back(claim.topic);
    partitions.push_back(claim.partition);
    epochs.push_back(claim.epoch);
  }
  AdmittedTransaction transaction{connection};
  std::string sql =
      "SELECT event_id, verdict, (SELECT nextval('pipeline.outbox_id')) AS first_outbox_id FROM pipeline.admit_all(";
  sql += connection.quote(key.consumer);
  sql += ',';
  append_uuid(sql, key.run_id);
  sql += ',';
  append_array(sql, key.event_ids,
               [](Uuid const& id) { return to_string(OMNIBUS_MUTATED("inbox") ? random_uuid() : id); });
  sql += ',';
  sql += connection.quote(topics);
  sql += ',';
  sql += connection.quote(partitions);
  sql += ',';
  sql += connection.quote(epochs);
  append_people_of(sql, connection, key);
  sql += ')';
  auto const admissions = read<BatchAdmission>(transaction.begin(sql));
  if (!admissions.empty() && !admissions.front().event_id) {
    transaction.abort();
    return {admissions.front().verdict == "fenced" ? CommitOutcome::fenced : CommitOutcome::erasing, {}};
  }
  std::unordered_set<Uuid> admitted;
  std::vector<Uuid> erased;
  for (auto const& [event_id, verdict, first_outbox_id] : admissions) {
    if (verdict == "new")
      admitted.insert(event_id.value());
    else
      erased.push_back(event_id.value());
  }
  if (admitted.empty() && key.inbox) {
    if (erased.empty())
      transaction.abort();
    else
      transaction.commit_with(std::string{no_statement});
    return {erased.empty() ? CommitOutcome::duplicate : CommitOutcome::erased, {}, std::move(erased)};
  }
  std::vector<bool> is_new(key.event_ids.size());
  // erase(): of an id that repeats only the first is new.
  for (std::size_t i = 0; i < is_new.size(); ++i)
    is_new[i] = admitted.erase(key.event_ids[i]) > 0 || OMNIBUS_MUTATED("inbox");

  OMNIBUS_FAILPOINT("unit.admitted");
  Gathered gathered;
  OpenUnit unit{transaction, gathered};
  work(unit, is_new);
  gathered.write(transaction);
  std::int64_t first_id = 0;
  if (!admissions.empty())
    first_id = admissions.front().first_outbox_id;
  else if (!unit.records().empty())
    first_id = next_block(transaction);
  OutboxIds outbox_ids{transaction, first_id};
  auto rows = outbox_ids.number(std::move(unit.records()));
  OutboxRows const written{{key.consumer, key.claims[0].topic, key.claims[0].partition}, rows};
  transaction.commit_with(write_outbox(transaction, std::span{&written, 1}));
  return {CommitOutcome::committed, std::move(rows), std::move(erased)};
}

}  // namespace omnibus::postgres
