#include "ledger/ledger_topic.hpp"

#include "json/decode.hpp"
#include "kafka/admin.hpp"
#include "kafka/error.hpp"
#include "kafka/partition_reader.hpp"

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <string>
#include <unordered_set>
#include <utility>

namespace omnibus::ledger {
namespace {

constexpr std::chrono::seconds patience{5};

}  // namespace

LedgerRead read_ledger(kafka::ClientSettings const& settings, std::int64_t most) {
  LedgerRead ledger;
  std::vector<kafka::Watermarks> marks;
  std::string const topic{ledger_topic};
  try {
    marks = kafka::Admin{settings, patience}.watermarks(topic);
  } catch (kafka::Error const& error) {
    if (error.code() != RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART) throw;
    ledger.found = false;
    return ledger;
  }
  kafka::PartitionReader reader{settings, patience};
  std::unordered_set<Uuid> known;
  for (std::size_t partition = 0; partition < marks.size(); ++partition) {
    auto const [low, high] = marks[partition];
    auto const begin = most > 0 ? std::max(low, high - most) : low;
    reader.read({topic, static_cast<std::int32_t>(partition)}, begin, high, [&](rd_kafka_message_t const& message) {
      std::string_view const text{static_cast<char const*>(message.payload), message.len};
      auto entry = json::decode<GdprLedgerRecorded>(text);
      if (!entry || validate(*entry))
        ++ledger.unreadable;
      else if (known.insert(entry->entry_id).second)
        ledger.entries.push_back(*std::move(entry));
      return true;
    });
  }
  return ledger;
}

}  // namespace omnibus::ledger
