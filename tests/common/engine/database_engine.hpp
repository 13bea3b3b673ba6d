/// Engines with a database to write to, and what they wrote.
#pragma once

#include "events/chat.hpp"
#include "postgres/pool.hpp"
#include "tests/common/engine/engine_fixture.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <map>
#include <utility>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::engine::test {

inline constexpr std::string_view worker_name = "test";

/// A migrated database with a table for the effects of events.
class EffectDatabase : public omnibus::test::TestDatabase {
 public:
  EffectDatabase() {
    execute(
        "CREATE TABLE effects (id bigserial PRIMARY KEY, key text NOT NULL, value text NOT NULL);"
        "GRANT ALL ON effects, effects_id_seq TO omnibus_chat");
  }

  void execute(std::string const& sql) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec(sql);
  }

  std::int64_t number(std::string const& query) const {
    pqxx::connection connection{url()};
    return pqxx::nontransaction{connection}.query_value<std::int64_t>(query);
  }
  std::vector<std::string> texts(std::string const& query) const {
    pqxx::connection connection{url()};
    std::vector<std::string> found;
    for (auto const& [text] : pqxx::nontransaction{connection}.query<std::string>(query)) found.push_back(text);
    return found;
  }
  std::int64_t effects() const { return number("SELECT count(*) FROM effects"); }
  std::int64_t outbox() const { return number("SELECT count(*) FROM pipeline.outbox"); }
  std::int64_t inbox() const { return number("SELECT count(*) FROM pipeline.inbox"); }

  /// Waits until a query gives at least `least`. @return false when it has not by then.
  bool await(std::string const& query, std::int64_t least,
             std::chrono::seconds patience = std::chrono::minutes{1}) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction session{connection};
    auto const deadline = Clock::now() + patience;
    while (session.query_value<std::int64_t>(query) < least) {
      if (Clock::now() >= deadline) return false;
      session.exec("SELECT pg_sleep(0.005)");
    }
    return true;
  }
  bool await_effects(std::int64_t count, std::chrono::seconds patience = std::chrono::minutes{1}) const {
    return await("SELECT count(*) FROM effects", count, patience);
  }

  /// The effects of each key in the order in which they were written.
  std::map<std::string, std::vector<std::string>> by_key() const {
    pqxx::connection connection{url()};
    std::map<std::string, std::vector<std::string>> found;
    for (auto const& [key, value] :
         pqxx::nontransaction{connection}.query<std::string, std::string>("SELECT key, value FROM effects ORDER BY id"))
      found[key].push_back(value);
    return found;
  }

  /// Ends every session of the engines, as a restart of the server would.
  void cut_connections() const {
    execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'engine-under-test'"
        " AND datname = current_database()");
  }
};

using MakeWork = std::function<std::unique_ptr<Work>(boost::asio::io_context&)>;

inline MakeWork each(Handle handle) {
  return [handle = std::move(handle)](boost::asio::io_context&) { return std::make_unique<FunctionWork>(handle); };
}

/// One engine with a pool on a thread of its own. It acts as the chat worker's role.
class DatabaseEngine {
 public:
  DatabaseEngine(Broker& broker, std::string const& database_url, std::string const& topic, std::string const& group,
                 MakeWork const& make_work, EngineSettings settings = {}, std::function<void(bool)> on_ready = {},
                 sealing::Sealer* sealer = nullptr)
      : producer_{broker.client}, pool_{pool_settings(database_url)}, work_{make_work(loop_)} {
    kafka::ConsumerSettings consumer;
    consumer.group = group;
    consumer.topics = {topic};
    consumer.protocol = broker.protocol();
    consumer.session_timeout = std::chrono::seconds{6};
    engine_ = std::make_unique<Engine>(loop_, Identity{std::string{worker_name}, std::string{worker_name}, "test", {}},
                                       settings, broker.client, consumer,
                                       Ports{producer_, &pool_, {}, std::move(on_ready), {}, nullptr, sealer}, *work_);
    engine_->start();
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  ~DatabaseEngine() { stop(); }

  void stop() {
    if (!thread_.joinable()) return;
    boost::asio::post(loop_, [this] {
      boost::asio::co_spawn(loop_, engine_->stop(), [this](std::exception_ptr const&, bool) { loop_.stop(); });
    });
    end();
  }

  /// Stands still in the middle of everything, without a word to Kafka about what is done.
  void crash() {
    loop_.stop();
    end();
  }

  Counters const& counters() const { return engine_->counters(); }

 private:
  static PoolSettings pool_settings(std::string const& url) {
    PoolSettings settings;
    settings.url = url;
    settings.size = 4;
    settings.application_name = "engine-under-test";
    return settings;
  }
  void end() {
    thread_.join();
    pool_.close();
  }

  boost::asio::io_context loop_{1};
  kafka::Producer producer_;
  TransactionPool pool_;
  std::unique_ptr<Work> work_;
  std::unique_ptr<Engine> engine_;
  std::thread thread_;
};

/// The effect of an event: its key and data, once.
inline std::function<void(UnitOfWork&)> effect_of(Context& context) {
  return [key = std::string{context.key()}, value = std::string{context.data()}](UnitOfWork& unit) {
    unit.transaction().exec("INSERT INTO effects (key, value) VALUES ($1, $2)", pqxx::params{key, value});
  };
}

/// A reply to the event, which every one of our tests can tell apart.
inline ChatReplyGenerated reply_to(Context& context, std::string text = {}) {
  return {context.event_key(), std::string{context.event().id}, std::move(text)};
}

/// Writes the effect and publishes one reply under the event's key.
inline Task<> write_and_reply(Context& context) {
  auto committing = context.commit([&context, write = effect_of(context)](UnitOfWork& unit) {
    write(unit);
    unit.publish(reply_to(context, std::string{context.data()}), std::string{context.key()});
  });
  co_await std::move(committing);
}

}  // namespace omnibus::engine::test
