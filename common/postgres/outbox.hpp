/// Records in the database that wait to be published: written with the effect, published right after, then removed.
#pragma once

#include "kafka/record.hpp"

#include <chrono>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::postgres {

/// One record in pipeline.outbox. The ids of one key's rows increase in the order of writing.
struct OutboxRow {
  std::int64_t id = 0;
  kafka::Record record;

  bool operator==(OutboxRow const&) const = default;
};

/// A row that the broker refuses.
struct RefusedRow {
  std::int64_t id = 0;
  std::string reason;
  bool may_pass = false;  ///< the relay tries it again later: its topic may come
};

/// The source of rows: the worker and the partition of the event that caused them.
struct OutboxSource {
  std::string consumer;
  std::string topic;
  std::int32_t partition = 0;
};

/// Headers as the bytes stored in pipeline.outbox.headers: their number, then per header the length and bytes of its
/// name and value; lengths are 32 bits, big endian, and -1 for an absent value. Order and repeats are kept.
std::string encode_headers(std::vector<kafka::Header> const& headers);

/// The reverse of encode_headers().
/// @throws std::invalid_argument for bytes that encode_headers() did not write.
std::vector<kafka::Header> decode_headers(std::string_view bytes);

/// The one INSERT that writes all rows, for a caller that sends it together with other statements.
std::string outbox_insert(pqxx::connection const& connection, OutboxSource const& source,
                          std::span<OutboxRow const> rows);

/// The rows of one source.
struct OutboxRows {
  OutboxSource source;
  std::span<OutboxRow const> rows;
};

/// The same for rows of several sources, at least one of them with rows.
std::string outbox_insert(pqxx::connection const& connection, std::span<OutboxRows const> groups);

/// Writes them by COPY, which takes a round trip of its own and, for many rows, less of the server's time.
void outbox_copy(pqxx::transaction_base& transaction, std::span<OutboxRows const> groups);

/// The rows that an earlier owner of a partition committed and did not publish, oldest first, without refused ones.
/// Call it after taking the partition over, when no other worker can add rows.
/// @param after the id of the last row of the page before
std::vector<OutboxRow> take_unpublished(pqxx::transaction_base& transaction, OutboxSource const& source,
                                        std::size_t limit,
                                        std::int64_t after = std::numeric_limits<std::int64_t>::min());

/// The same, and locked against the relay until the transaction ends: for rows whose partition has no next owner. Waits
/// for a relay that is publishing one; rows it has published are not returned.
std::vector<OutboxRow> lock_unpublished(pqxx::transaction_base& transaction, OutboxSource const& source,
                                        std::size_t limit);

/// The oldest rows of any source that were written at least `age` ago, locked until the transaction ends: without those
/// to `busy_topics`, and of refused ones those that are to be tried again. Empty while another transaction has swept:
/// two could publish rows of one key out of order.
std::vector<OutboxRow> sweep_outbox(pqxx::transaction_base& transaction, std::chrono::milliseconds age,
                                    std::size_t limit, std::vector<std::string> const& busy_topics = {});

/// Sets rows aside: they are not published any more until the relay tries them again, after a minute and then ever more
/// rarely, or an operator does. Rows already gone are no error.
void refuse_rows(pqxx::transaction_base& transaction, std::span<RefusedRow const> rows);

/// Removes published rows within the caller's transaction; rows already gone are no error.
void remove_published(pqxx::transaction_base& transaction, std::span<std::int64_t const> ids);

/// Removes published rows in one round trip and a separate transaction. A crash may undo it: the rows are then
/// published again, with the same ids.
void remove_published(pqxx::connection& connection, std::span<std::int64_t const> ids);

}  // namespace omnibus::postgres

namespace omnibus {
using postgres::OutboxRow;
}  // namespace omnibus
