/// A worker on several event loops, as a process runs it.
#pragma once

#include "engine/engines.hpp"
#include "tests/common/engine/engine_fixture.hpp"

namespace omnibus::engine::test {

/// Engines on loops with threads of their own; `handle` is called on all of them.
class RunningLoops {
 public:
  RunningLoops(Broker& broker, std::size_t count, std::string const& topic, std::string const& group, Handle handle,
               EngineSettings const& settings = {})
      : loops_{count}, producer_{broker.client} {
    EnginePlan plan{{"test", group, "test", {}}, settings, broker.client, {}};
    plan.consumer.group = group;
    plan.consumer.topics = {topic};
    plan.consumer.protocol = broker.protocol();
    plan.consumer.session_timeout = std::chrono::seconds{6};
    engines_.emplace(loops_, plan, [&](LoopPlace) {
      works_.push_back(std::make_unique<FunctionWork>(handle));
      return Engines::Parts{Ports{producer_, nullptr, {}}, *works_.back()};
    });
    engines_->start();
    thread_ = std::thread{[this] { loops_.run(); }};
  }
  ~RunningLoops() { stop(); }

  /// @return whether every handler ended
  bool stop() {
    if (!thread_.joinable()) return true;
    auto clean = false;
    boost::asio::post(loops_.first(), [&] {
      boost::asio::co_spawn(loops_.first(), engines_->stop(), [&](std::exception_ptr const& error, bool all) {
        clean = !error && all;
        loops_.stop();
      });
    });
    thread_.join();
    return clean;
  }
  /// Stands still in the middle of everything, without a word to Kafka about what is done.
  void crash() {
    loops_.stop();
    thread_.join();
  }

  Engines const& engines() const { return *engines_; }
  std::uint64_t handled() const { return engines_->sum(&Counters::handled); }

 private:
  EventLoops loops_;
  kafka::Producer producer_;
  std::vector<std::unique_ptr<Work>> works_;
  std::optional<Engines> engines_;
  std::thread thread_;
};

}  // namespace omnibus::engine::test
