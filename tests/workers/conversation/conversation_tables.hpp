/// The store of conversations in a migrated database, used as a handler uses it.
#pragma once

#include "tests/workers/conversation/matched_pair.hpp"
#include "workers/conversation/store.hpp"

#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::conversation::test {

/// A transaction as a handler sees it, without the engine's part.
class BareUnit final : public UnitOfWork {
 public:
  explicit BareUnit(pqxx::transaction_base& transaction) : transaction_{transaction} {}
  pqxx::transaction_base& transaction() override { return transaction_; }
  Uuid last_key() const override { return {}; }
  /// Writes what was gathered so far.
  void write() { gathered_.write(transaction_); }

 private:
  void publish_event(std::string_view, std::string, std::string) override {}
  postgres::Gathered& gathered() override { return gathered_; }

  pqxx::transaction_base& transaction_;
  postgres::Gathered gathered_;
};

/// The tables, and what the worker writes in them.
struct ConversationTables {
  /// Runs something in a transaction of a role.
  void as(std::string const& role, std::function<void(BareUnit&)> const& work) const {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    BareUnit unit{transaction};
    work(unit);
    unit.write();
    transaction.commit();
  }
  Beginning begin() { return begin_all({request}).at(0); }
  /// Requests that share a transaction.
  std::vector<Beginning> begin_all(std::vector<AgentConversationRequested> const& requests) {
    std::vector<Beginning> results(requests.size(), Beginning::not_open);
    as("conversation", [&](UnitOfWork& unit) {
      for (std::size_t i = 0; i < requests.size(); ++i)
        store.begin(unit, requests[i], [&results, i](Beginning became) { results[i] = became; });
    });
    return results;
  }
  StoredTurn store_turn(NewTurn turn, std::string const& role = "conversation") {
    return store_turn(std::move(turn), event, role);
  }
  StoredTurn store_turn(NewTurn turn, Uuid const& event_key, std::string const& role = "conversation") {
    StoredTurn result;
    as(role, [&](UnitOfWork& unit) {
      store.store_turn(unit, event_key, std::move(turn), [&](StoredTurn stored) { result = std::move(stored); });
    });
    return result;
  }
  void end(ConversationEnd end) {
    as("conversation", [&](UnitOfWork& unit) { store.end(unit, database.conversation, std::move(end)); });
  }
  Beginning begin_again() {
    auto result = Beginning::begun;
    as("replay", [&](UnitOfWork& unit) { result = store.begin_again(unit, request, event); });
    return result;
  }
  /// Its request was handled.
  void log_beginning() const {
    database.execute(
        "INSERT INTO omniscient_processing_logs (process_type, action, status, target_id, event_id, domain, "
        "completed_at) "
        "VALUES ('conversation', 'begin_conversation', 'completed', '" +
        to_string(database.conversation) + "', '" + to_string(event) + "', 'shop.example', now())");
  }
  NewTurn turn(std::int64_t number) const {
    NewTurn turn{database.conversation, number, database.person_a, "agent_a", "Hello"};
    turn.insights = {{*parse_uuid("00000000-0000-4000-b000-000000000001"), 90, Extent::advanced},
                     {*parse_uuid("00000000-0000-4000-b000-000000000003"), 45, Extent::touched}};
    turn.spent.prompt_tokens = 100;
    turn.spent.completion_tokens = 20;
    turn.spent.cost_nano_usd = 31'234;
    turn.spent.duration_ms = 7;
    turn.model = "omnibus-small";
    return turn;
  }
  OpenConversation open(std::int64_t number, std::int32_t history_tokens = 1'500) const {
    pqxx::connection connection{database.url_as("conversation")};
    return store.read(connection, {database.domain, database.conversation, database.match, number}, event,
                      history_tokens);
  }
  std::string turns() const {
    return database.text("SELECT string_agg(t::text, ';' ORDER BY id) FROM omniscient_turns t");
  }
  /// A dump of what the worker writes.
  std::string dump() const {
    return database.text(
        "SELECT concat((SELECT string_agg(c::text, ';' ORDER BY id) FROM omniscient_conversations c), '|',"
        " (SELECT string_agg(t::text, ';' ORDER BY id) FROM omniscient_turns t))");
  }

  MatchedPair database;
  PostgresAgentConversations store;
  AgentConversationRequested const request{database.domain, database.conversation, database.match};
  Uuid const event = name_uuid(Uuid{}, "event");
};

}  // namespace omnibus::conversation::test
