/// The rows and events that a handler writes in one transaction.
#pragma once

#include "json/encode.hpp"
#include "postgres/gathered.hpp"
#include "uuid/uuid.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace pqxx {
class transaction_base;
}

namespace omnibus {

/// An open transaction as a handler sees it: everything in it is committed together with the event's inbox row, or not
/// at all. Lives until the transaction ends, on a thread of the pool. Do not keep a reference to it.
class UnitOfWork {
 public:
  UnitOfWork() = default;
  UnitOfWork(UnitOfWork const&) = delete;
  UnitOfWork& operator=(UnitOfWork const&) = delete;
  virtual ~UnitOfWork() = default;

  /// For SQL. Do not commit or abort it.
  virtual pqxx::transaction_base& transaction() = 0;

  /// Publishes an event to its topic under `key` once this unit is committed, and only then.
  /// @throws Failure (permanent) when no topic carries this event, or when it exceeds its topic's record size.
  template <class Event>
  void publish(Event const& event, std::string key) {
    publish_event(Event::type, json::encode(event), std::move(key));
  }

  /// Writes `item` in one statement together with the items of other events that share the transaction, once the work
  /// of all these events is done. Then calls `then` with the result for this item. `then` may publish.
  /// See postgres::Gathered.
  template <auto Write, class Item, class Then>
  void write_together(Item item, Then then) {
    gathered().template add<Write>(std::move(item), std::move(then));
  }

  /// The key that consumers' inboxes will have for the event that was published last.
  virtual Uuid last_key() const = 0;

 private:
  virtual void publish_event(std::string_view type, std::string data, std::string key) = 0;
  virtual postgres::Gathered& gathered() = 0;
};

}  // namespace omnibus
