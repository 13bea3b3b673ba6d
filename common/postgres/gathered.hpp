/// Writes of many units of work in one statement.
#pragma once

#include <functional>
#include <memory>
#include <stdexcept>
#include <typeindex>
#include <utility>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::postgres {

/// Collects the joint writes of a transaction's units, and runs them after the work of all units.
class Gathered {
 public:
  /// `Write` is a function `std::vector<Result>(pqxx::transaction_base&, std::vector<Item> const&)` that writes items
  /// in one statement and returns a result for each, in their order. Then `then(Result)` is called; it may
  /// publish, and add what is to be written after this. Objects that it refers to must live until the transaction ends.
  template <auto Write, class Item, class Then>
  void add(Item item, Then then) {
    using Mine = Rows<Write, Item>;
    auto& statement = find(typeid(Mine));
    if (!statement) statement = std::make_unique<Mine>();
    auto& rows = static_cast<Mine&>(*statement);
    rows.items.push_back(std::move(item));
    rows.thens.push_back(std::move(then));
  }

  /// Writes the collected items. @throws what the writes throw.
  void write(pqxx::transaction_base& transaction) {
    while (!statements_.empty())
      for (auto& [type, statement] : std::exchange(statements_, {})) statement->write(transaction);
  }

 private:
  struct Statement {
    virtual ~Statement() = default;
    virtual void write(pqxx::transaction_base& transaction) = 0;
  };

  template <auto Write, class Item>
  struct Rows : Statement {
    using Results = decltype(Write(std::declval<pqxx::transaction_base&>(), std::declval<std::vector<Item> const&>()));
    void write(pqxx::transaction_base& transaction) override {
      auto results = Write(transaction, items);
      if (results.size() != items.size())
        throw std::logic_error("a gathered write returned another number of results than items");
      for (std::size_t i = 0; i < results.size(); ++i) thens[i](std::move(results[i]));
    }
    std::vector<Item> items;
    std::vector<std::function<void(typename Results::value_type)>> thens;
  };

  std::unique_ptr<Statement>& find(std::type_index type) {
    for (auto& [known, statement] : statements_)
      if (known == type) return statement;
    return statements_.emplace_back(type, nullptr).second;
  }

  std::vector<std::pair<std::type_index, std::unique_ptr<Statement>>> statements_;
};

}  // namespace omnibus::postgres
