/// What a developer writes for work on many events at once.
#pragma once

#include "handler/handler.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <variant>

namespace pqxx {
class transaction_base;
}

namespace omnibus {

/// One event of a batch.
template <class... Events>
struct BatchItem {
  std::variant<Events...> event;
  std::int64_t timestamp_ms;  ///< when the record was written
  std::int64_t time_ms;       ///< when the event happened, by whoever published it
};

/// A handler that takes many events at once: everything that came while the last batch was being committed makes the
/// next one. A batch keeps the order of each partition, and is committed with one inbox row per event or not at all;
/// events that were handled before are left out. A batch that fails for a passing reason is tried again as it is; one
/// that fails for good is halved until the events at fault are alone, which are dead-lettered.
///
/// `H` has `using Events = EventList<...>`, `static constexpr std::size_t max_batch` and, called on a thread of the
/// pool inside the transaction, `void apply(pqxx::transaction_base&, std::vector<BatchItem<...> const*> const& items)`.
/// `void check(BatchItem<...> const&) const`, where it has one, is called on the event loop for each item: what it
/// throws concerns that item alone, and the rest of the batch is not halved for it.
///
/// With `static constexpr bool own_key = true` it recognises by a key of its own what it has applied before: then no
/// inbox rows are written, items may come that were applied already, and under a backlog batches are applied beside
/// each other, on several threads and in any order.
template <class H>
concept BatchHandler = requires {
  { H::max_batch } -> std::convertible_to<std::size_t>;
};

}  // namespace omnibus
