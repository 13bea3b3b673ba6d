/// Deliveries that are committed together.
#pragma once

#include "engine/dispatch/delivery.hpp"
#include "postgres/about.hpp"
#include "uuid/uuid.hpp"

#include <cstddef>
#include <exception>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus {
class Context;
}

namespace omnibus::engine {

/// The decoded events of a batch, as the engine sees a typed batch handler. It is cleared and reused, so that a batch
/// reuses the memory of an earlier one.
class BatchItems {
 public:
  virtual ~BatchItems() = default;
  /// Decodes one more event. @return false if the handler does not list this event type of the topic. @throws Failure
  virtual bool add(Context& context) = 0;
  virtual std::size_t size() const = 0;
  virtual void clear() = 0;
  /// Applies the chosen items, by position. On a thread of the pool; may run again.
  virtual void apply(pqxx::transaction_base& transaction, std::span<std::size_t const> chosen) = 0;
};

struct BatchEntry {
  static constexpr auto no_item = static_cast<std::size_t>(-1);

  Delivery* delivery = nullptr;
  std::size_t item = no_item;  ///< its position among the items; none for a skipped event
  Uuid event_key{};            ///< nil when the handler has its own key
  postgres::About about{};     ///< nobody when the handler has its own key
  std::exception_ptr error;    ///< why it could not be decoded
  bool finished = false;
};

struct Batch {
  std::vector<BatchEntry> entries;
  std::unique_ptr<BatchItems> items;
  bool paused = false;  ///< an outage delays the commit

  void clear() {
    entries.clear();
    items->clear();
    paused = false;
  }
};

}  // namespace omnibus::engine
