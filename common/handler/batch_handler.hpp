/// The interface for workers that handle many events at once.
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
  std::int64_t time_ms;       ///< when the event happened, as its publisher says
};

/// A handler that takes many events at once. Events that arrive during a commit form the next batch. A batch keeps the
/// order of each partition. It commits with one inbox row per event, or not at all. Events that were handled before are
/// left out. A batch with a transient failure is retried unchanged. A batch with a permanent failure is halved until
/// each failing event is alone; these events are dead-lettered.
///
/// `H` has `using Events = EventList<...>`, `static constexpr std::size_t max_batch` and, called on a thread of the
/// pool inside the transaction, `void apply(pqxx::transaction_base&, std::vector<BatchItem<...> const*> const& items)`.
/// An optional `void check(BatchItem<...> const&) const` is called on the event loop for each item. An exception from
/// it concerns this item only; the rest of the batch is not halved.
///
/// With `static constexpr bool own_key = true`, a key of the handler's tables detects events that were applied before.
/// Then no inbox rows are written, and items may arrive that were already applied. Under a backlog, several batches are
/// applied at the same time, on several threads and in any order. The events of such a handler name no subjects. With
/// other handlers, a batch waits while one of its people is being erased; events about erased people are left out.
template <class H>
concept BatchHandler = requires {
  { H::max_batch } -> std::convertible_to<std::size_t>;
};

}  // namespace omnibus
