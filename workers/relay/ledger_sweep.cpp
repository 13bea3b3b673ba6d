#include "workers/relay/ledger_sweep.hpp"

#include "events/gdpr.hpp"
#include "faults/failpoint.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "ledger/ledger_topic.hpp"
#include "postgres/rows.hpp"

#include <cstdint>
#include <string>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::relay {
namespace {

constexpr std::string_view event_source = "/omnibus/relay";

struct LedgerRow {
  Uuid id;
  std::int64_t sequence = 0;
  std::string domain, kind, facts, recorded_at;
};
BOOST_DESCRIBE_STRUCT(LedgerRow, (), (id, sequence, domain, kind, facts, recorded_at))

kafka::Record record_of(LedgerRow const& row) {
  auto envelope = originate(event_source, GdprLedgerRecorded::type);
  envelope.id = to_string(row.id);
  GdprLedgerRecorded const entry{row.id, row.sequence, row.domain, row.kind, {row.facts}, row.recorded_at};
  return to_binary_record(envelope, json::encode(entry), std::string{ledger::ledger_topic}, row.domain);
}

}  // namespace

std::size_t LedgerSweep::sweep(pqxx::connection& connection) {
  auto const waiting = !rows_.busy_topics().empty();
  auto const late = rows_.take_answers();
  auto published = late.acknowledged;
  postgres::tell_refused(late.refused);
  pqxx::work transaction{connection};
  if (!waiting) {
    // A second relay waits here, and finds what this one has published.
    std::vector<postgres::OutboxRow> records;
    for (auto const& row : postgres::read<LedgerRow>(
             transaction,
             "SELECT id, sequence, domain, kind, facts::text, to_char(recorded_at AT TIME ZONE 'UTC', "
             "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') AS recorded_at FROM pipeline.ledger WHERE published_at IS NULL "
             "ORDER BY sequence LIMIT $1 FOR UPDATE",
             pqxx::params{static_cast<std::int64_t>(settings_.limit)}))
      records.push_back({row.sequence, record_of(row)});
    rows_.publish(records, settings_.patience);
    auto const answers = rows_.take_answers();
    published.insert(published.end(), answers.acknowledged.begin(), answers.acknowledged.end());
    postgres::tell_refused(answers.refused);
  }
  if (published.empty()) return 0;
  OMNIBUS_FAILPOINT("relay.ledger");
  transaction.exec("UPDATE pipeline.ledger SET published_at = now() WHERE sequence = ANY ($1::bigint[])",
                   pqxx::params{published});
  transaction.commit();
  return published.size();
}

}  // namespace omnibus::relay
