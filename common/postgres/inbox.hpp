/// The events that a worker has processed: ensures that each takes effect once.
#pragma once

#include "uuid/uuid.hpp"

#include <chrono>
#include <cstdint>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::postgres {

/// The outcome of a claim to an event.
enum class InboxVerdict { admitted, duplicate, fenced };

/// Claims one event within the caller's transaction. Waits for a transaction that is claiming the same one.
InboxVerdict admit(pqxx::transaction_base& transaction, std::string_view consumer, Uuid const& run_id,
                   Uuid const& event_id, std::string_view topic, std::int32_t partition, std::int64_t epoch);

/// Notes within the transaction that admitted an event that it is parked as a dead letter, with the letter's class.
void note_parked(pqxx::transaction_base& transaction, std::string_view consumer, Uuid const& run_id,
                 Uuid const& event_id, std::string_view error_class);

/// Whether a worker has processed an event. For commits in doubt: if a transaction that claims the event is still
/// running on the server, this waits for its end. Holds no claim afterwards.
bool was_processed(pqxx::connection& connection, std::string_view consumer, Uuid const& run_id, Uuid const& event_id);

/// Deletes events that the consumer processed longer ago than `age`, and actions on its dead letters after twice that
/// time; at most `limit` of each. `age` must exceed the longest retention of its topics; otherwise an event that is
/// delivered again is processed again. @return the larger number: when it is the limit, there may be more; 0 while
/// another session prunes for the same consumer
std::int64_t prune_inbox(pqxx::connection& connection, std::string_view consumer, std::chrono::hours age,
                         std::int64_t limit);

}  // namespace omnibus::postgres
