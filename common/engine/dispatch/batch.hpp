/// Deliveries that take effect together.
#pragma once

#include "engine/dispatch/delivery.hpp"
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

/// The decoded events of a batch; what the typed batch handler looks like from the engine. Kept and cleared, so that a
/// batch re-uses the memory of an earlier one.
class BatchItems {
 public:
  virtual ~BatchItems() = default;
  /// Decodes one more event. @return false for one of the topic that the handler does not list. @throws Failure
  virtual bool add(Context& context) = 0;
  virtual std::size_t size() const = 0;
  virtual void clear() = 0;
  /// Applies those chosen, by their position. On a thread of the pool; may run again.
  virtual void apply(pqxx::transaction_base& transaction, std::span<std::size_t const> chosen) = 0;
};

struct BatchEntry {
  static constexpr auto no_item = static_cast<std::size_t>(-1);

  Delivery* delivery = nullptr;
  std::size_t item = no_item;  ///< its position among the items; none of an event that was passed over
  Uuid event_key{};            ///< nil when the handler has a key of its own
  std::exception_ptr error;    ///< why it could not be decoded
  bool finished = false;
};

struct Batch {
  std::vector<BatchEntry> entries;
  std::unique_ptr<BatchItems> items;
  bool paused = false;  ///< an outage keeps it from being committed

  void clear() {
    entries.clear();
    items->clear();
    paused = false;
  }
};

}  // namespace omnibus::engine
