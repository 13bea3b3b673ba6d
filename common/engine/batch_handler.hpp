/// What a developer writes for work on many events at once.
#pragma once

#include "engine/context.hpp"
#include "engine/dispatch/batch.hpp"
#include "engine/engine.hpp"
#include "engine/handler.hpp"

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

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

namespace engine {

/// A handler that takes many events at once.
template <class H>
concept BatchHandler = requires {
  { H::max_batch } -> std::convertible_to<std::size_t>;
};

/// The decoded events of one batch for a handler of type `H`.
template <class H, class... Events>
class TypedItems : public BatchItems {
 public:
  explicit TypedItems(H& handler) : handler_{handler} { items_.reserve(H::max_batch); }

  bool add(Context& context) override {
    auto const type = context.event().type;
    auto const matched = ((type == Events::type && (add<Events>(context), true)) || ...);
    if (!matched) pass_over(context, type);
    return matched;
  }
  std::size_t size() const override { return items_.size(); }
  void clear() override { items_.clear(); }
  void apply(pqxx::transaction_base& transaction, std::span<std::size_t const> chosen) override {
    std::vector<BatchItem<Events...> const*> items;
    items.reserve(chosen.size());
    for (auto const position : chosen) items.push_back(&items_[position]);
    handler_.apply(transaction, items);
  }

 private:
  template <class Event>
  void add(Context& context) {
    BatchItem<Events...> item{decode<Event>(context), context.timestamp_ms(), context.time_ms()};
    if constexpr (requires { handler_.check(item); }) handler_.check(item);
    items_.push_back(std::move(item));
  }

  H& handler_;
  std::vector<BatchItem<Events...>> items_;
};

/// Decodes like HandlerWork and hands over in batches: everything that came while the last batch was being committed
/// makes the next one. A batch keeps the order of each partition, and is committed with one inbox row per event or not
/// at all; events that were handled before are left out. A batch that fails for a passing reason is tried again as it
/// is; one that fails for good is halved until the events at fault are alone, which are dead-lettered.
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
class BatchWork : public Work {
 public:
  explicit BatchWork(H& handler) : handler_{handler} {}

  BatchTraits batches() const override {
    if constexpr (requires { H::own_key; })
      return {H::max_batch, H::own_key};
    else
      return {H::max_batch, false};
  }
  std::unique_ptr<BatchItems> new_items() override { return make_items(typename H::Events{}); }

 private:
  template <class... Events>
  std::unique_ptr<BatchItems> make_items(EventList<Events...>) {
    return std::make_unique<TypedItems<H, Events...>>(handler_);
  }

  H& handler_;
};

}  // namespace engine
}  // namespace omnibus
