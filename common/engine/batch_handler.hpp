/// What a developer writes for work on many events at once.
#pragma once

#include "concurrency/signal.hpp"
#include "concurrency/task.hpp"
#include "engine/context.hpp"
#include "engine/engine.hpp"
#include "engine/handler.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus {

/// One event of a batch.
template <class... Events>
struct BatchItem {
  std::variant<Events...> event;
  Uuid event_key;             ///< the same for every delivery of the event
  std::int64_t timestamp_ms;  ///< when the record was written
  std::int64_t time_ms;       ///< when the event happened, by whoever published it
};

namespace engine {

/// Gathers events that are ready and applies them together: everything that came while the last batch was being
/// committed makes the next one. A batch keeps the order of each partition, and is committed with one inbox row per
/// event or not at all; events that were handled before are left out. A batch that fails for a passing reason is tried
/// again as it is; one that fails for good is halved until the events at fault are alone, which are dead-lettered.
/// Belongs to the event loop.
class Batcher {
 public:
  /// Applies those entries that are new, by their position in the batch. On a thread of the pool; may run again.
  using Apply = std::function<void(pqxx::transaction_base&, std::span<void const* const> items)>;

  Batcher(boost::asio::io_context& loop, std::size_t most, Apply apply)
      : loop_{loop}, most_{most}, apply_{std::move(apply)} {}

  /// Resumes when the item's effect is committed. `item` must live until then. @throws as a handler may.
  Task<> join(Context& context, void const* item);

 private:
  struct Entry {
    Context* context;
    void const* item;
    std::exception_ptr error;
    Signal done;
  };
  using Entries = std::span<Entry* const>;

  Task<> run();
  Task<> commit(Entries entries);
  Task<> commit_once(Entries entries);

  boost::asio::io_context& loop_;
  std::size_t most_;
  Apply apply_;
  std::vector<Entry*> pending_;
  bool running_ = false;
};

/// A handler that takes many events at once.
template <class H>
concept BatchHandler = requires {
  { H::max_batch } -> std::convertible_to<std::size_t>;
};

/// Decodes like HandlerWork and hands over in batches. `H` has `using Events = EventList<...>`,
/// `static constexpr std::size_t max_batch` and, called on a thread of the pool inside the transaction,
/// `void apply(pqxx::transaction_base&, std::vector<BatchItem<...> const*> const& items)`.
template <class H>
class BatchWork : public Work {
 public:
  BatchWork(boost::asio::io_context& loop, H& handler)
      : batcher_{loop, H::max_batch, [&handler](pqxx::transaction_base& transaction, std::span<void const* const> raw) {
                   apply(handler, transaction, raw, typename H::Events{});
                 }} {}

  Task<> handle(Context& context) override { return dispatch(context, context.event().type, typename H::Events{}); }
  bool ordered_by_key() const override { return false; }

 private:
  template <class... Events>
  static void apply(H& handler, pqxx::transaction_base& transaction, std::span<void const* const> raw,
                    EventList<Events...>) {
    std::vector<BatchItem<Events...> const*> items;
    items.reserve(raw.size());
    for (auto const* const each : raw) items.push_back(static_cast<BatchItem<Events...> const*>(each));
    handler.apply(transaction, items);
  }

  template <class... Events>
  Task<> dispatch(Context& context, std::string_view type, EventList<Events...>) {
    Task<> chosen;
    auto const matched = ((type == Events::type && (chosen = join<Events, Events...>(context), true)) || ...);
    if (matched) return chosen;
    return pass_over(context, type);
  }

  template <class Event, class... Events>
  Task<> join(Context& context) {
    BatchItem<Events...> const item{decode<Event>(context), context.event_key(), context.timestamp_ms(),
                                    context.time_ms()};
    auto joining = batcher_.join(context, &item);
    co_await std::move(joining);
  }

  Batcher batcher_;
};

}  // namespace engine
}  // namespace omnibus
