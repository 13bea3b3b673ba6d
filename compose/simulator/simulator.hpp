/// An OpenAI-compatible endpoint for demo and tests: answers at once, costs nothing, and fails as configured.
#pragma once

#include "compose/simulator/faults.hpp"
#include "compose/simulator/question.hpp"
#include "compose/simulator/wire.hpp"
#include "concurrency/task.hpp"
#include "http/server.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

namespace omnibus::simulator {

struct SimulatorSettings {
  std::chrono::milliseconds latency{0};         ///< before an answer begins
  std::chrono::milliseconds latency_jitter{0};  ///< up to so much more, from the prompt and the seed
  std::chrono::milliseconds pace{0};            ///< between the pieces of a streamed answer
  std::uint64_t seed = 0;
  std::int64_t context_tokens = 128'000;  ///< longer prompts are rejected
  std::vector<FaultRule> faults;
  std::vector<OddityRule> oddities;
};

/// Serves POST /v1/chat/completions, GET /v1/models; for tests GET and DELETE /_simulator/stats (with `?prompts=1` the
/// counts per prompt, with `?text=...` those of one last user message), POST and DELETE /_simulator/faults, and GET,
/// POST and DELETE /_simulator/oddities. A request's header X-Oddity names the oddity of its answer. Any other path
/// gets an error of the OpenAI wire. Use it on one event loop of one thread; it must outlive the server that its router
/// is given to.
class Simulator {
 public:
  explicit Simulator(SimulatorSettings settings);

  http::Router router();

 private:
  struct Counts {
    std::uint64_t asked = 0;
    std::uint64_t answered = 0;  ///< complete answers, for which a provider would have charged
  };

  Task<> complete(http::Request const& request, http::Stream& stream);
  Task<> answer(Question const& question, FaultRule const* fault, OddWay const* oddity, http::Stream& stream);
  Task<> send_stream(Question const& question, Answer const& answer, FaultRule const* fault, http::Stream& stream);
  Task<> send_whole(Answer const& answer, FaultRule const* fault, http::Stream& stream);
  Task<http::Response> models(http::Request const& request);
  Task<http::Response> unknown(http::Request const& request);
  Task<http::Response> stats(http::Request const& request);
  Task<http::Response> reset_stats(http::Request const& request);
  Task<http::Response> set_faults(http::Request const& request);
  Task<http::Response> clear_faults(http::Request const& request);
  Task<http::Response> list_oddities(http::Request const& request);
  Task<http::Response> set_oddities(http::Request const& request);
  Task<http::Response> clear_oddities(http::Request const& request);

  Answer make_answer(Question const& question, FaultRule const* fault);
  std::chrono::milliseconds latency_of(Question const& question) const;
  void finished(Question const& question);

  SimulatorSettings settings_;
  FaultPlan faults_;
  OddityPlan oddities_;
  std::uint64_t requests_ = 0;
  std::uint64_t completions_ = 0;  ///< ever begun; in their ids
  std::uint64_t in_flight_ = 0;
  std::uint64_t most_in_flight_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t repeated_ = 0;  ///< answers to a prompt that had been answered before
  std::map<std::string, std::uint64_t> outcomes_;
  std::unordered_map<std::uint64_t, Counts> prompts_;
  std::unordered_map<std::uint64_t, Counts> texts_;
};

}  // namespace omnibus::simulator
