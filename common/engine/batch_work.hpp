/// Connects a batch handler to the engine.
#pragma once

#include "engine/handler_work.hpp"
#include "engine/work.hpp"
#include "handler/batch_handler.hpp"

#include <cstddef>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace omnibus::engine {

/// The decoded events of one batch for a handler of type `H`.
template <class H, class... Events>
class TypedItems : public BatchItems {
 public:
  explicit TypedItems(H& handler) : handler_{handler} { items_.reserve(H::max_batch); }

  bool add(Context& context) override {
    auto const type = context.event().type;
    auto const matched = ((type == Events::type && (add<Events>(context), true)) || ...);
    if (!matched) check_carried(context, type);
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
  static_assert(
      !requires { H::own_key; } || !(NamesSubjects<Events> || ...),
      "what is about people needs inbox rows, which also tell that they were erased");

  template <class Event>
  void add(Context& context) {
    BatchItem<Events...> item{decode<Event>(context), context.timestamp_ms(), context.time_ms()};
    if constexpr (requires { handler_.check(item); }) handler_.check(item);
    items_.push_back(std::move(item));
  }

  H& handler_;
  std::vector<BatchItem<Events...>> items_;
};

/// Decodes like HandlerWork and passes events on in batches, as BatchHandler describes.
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

}  // namespace omnibus::engine
