/// A worker whose events fail, and the redrive of its letters.
#pragma once

#include "tests/common/engine/database_engine.hpp"
#include "tests/common/engine/topic_reader.hpp"
#include "workers/cli/dlq/redrive.hpp"

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::cli::test {

using namespace omnibus::engine;
using namespace omnibus::engine::test;
using postgres::LetterAction;

/// A topic whose events all fail until they are told not to.
class Failing {
 public:
  explicit Failing(Broker& with, int partitions = 2) : broker{with}, topic{with.topic(partitions)} {
    engine_ = std::make_unique<DatabaseEngine>(broker, database.url_as("chat"), topic, "redrive-" + topic,
                                               each([this](Context& context) -> Task<> {
                                                 (void)context.event();
                                                 if (!fixed) throw Failure::permanent("not yet", "broken");
                                                 if (context.data().size() > 1 << 20) {  // too large for a reply
                                                   auto writing = context.commit(effect_of(context));
                                                   co_await std::move(writing);
                                                   co_return;
                                                 }
                                                 auto writing = write_and_reply(context);
                                                 co_await std::move(writing);
                                               }));
  }

  std::string letters() const { return kafka::dead_letter_topic(topic); }
  bool await_letters(std::uint64_t count) const {
    return eventually([&] { return engine_->counters().dead_lettered >= count; }) &&
           database.await("SELECT CASE count(*) WHEN 0 THEN 1 ELSE 0 END FROM pipeline.outbox", 1);
  }

  RedriveReport redrive(RedriveSettings settings = {}, kafka::Producer* sender = nullptr) {
    auto const client = broker.client;
    kafka::Admin admin{client};
    kafka::PartitionReader reader{client};
    auto const connection = std::make_unique<pqxx::connection>(database.url_as("operator"));
    kafka::Producer producer{client};
    settings.topic = letters();
    settings.actor = "tester@here";
    auto const sends = settings.action == LetterAction::redriven && !settings.dry_run;
    auto* const chosen = sender != nullptr ? sender : &producer;
    return Redrive{{admin,
                    reader,
                    *connection,
                    sends ? chosen : nullptr,
                    [&](DeadLetter const& letter, std::string_view what) {
                      std::scoped_lock const lock{mutex_};
                      told[std::to_string(letter.partition) + "/" + std::to_string(letter.offset)] = what;
                    },
                    {}},
                   settings}
        .run();
  }

  /// How often each event is on the topic.
  std::map<std::string, int> published(std::size_t records) {
    std::map<std::string, int> times;
    for (auto const& record : read_all(broker, topic, records)) ++times[header_of(record, "ce_id")];
    return times;
  }

  Broker& broker;
  EffectDatabase const database;
  std::string const topic;
  std::atomic<bool> fixed{false};
  std::map<std::string, std::string> told;

 private:
  std::mutex mutex_;
  std::unique_ptr<DatabaseEngine> engine_;
};

}  // namespace omnibus::cli::test
