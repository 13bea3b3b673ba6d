#include "llm/resilient_llm.hpp"

#include "text/words.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace omnibus::llm {
namespace {

using Kind = LlmError::Kind;

constexpr std::chrono::milliseconds fair_time{1'000};

/// Whether the endpoint itself failed. An endpoint that answers works, even if it rejects the request, or if nobody can
/// read this one answer: the breaker is everybody's. One that begins to answer and falls silent does not work.
bool counts_against_endpoint(LlmError const& error, bool had_fair_time) {
  auto const began = error.remains() != nullptr && !error.remains()->oddities.has(Oddity::silent);
  auto const was_slow = error.kind() == Kind::timeout && had_fair_time && error.sent();
  return !began && (error.kind() == Kind::unavailable || was_slow);
}

/// Whether the endpoint did its work and the request was at fault. What is neither leaves the breaker as it is.
bool shows_working_endpoint(LlmError const& error) {
  switch (error.kind()) {
    case Kind::invalid_request:
    case Kind::context_length:
    case Kind::quota:
    case Kind::content_filter:
    case Kind::no_words:
      return true;
    default:
      return false;
  }
}

/// Whether there is anything for a person, or for tools that were offered.
bool is_answer(ChatCompletion const& completion, bool has_tools) {
  return has_words(completion.text) || (has_tools && !completion.tool_calls.empty());
}

/// Whether another model may succeed with the same request.
bool another_may_answer(Kind kind) {
  switch (kind) {
    case Kind::unavailable:
    case Kind::timeout:
    case Kind::protocol:
    case Kind::rate_limited:
    case Kind::context_length:
    case Kind::no_words:
    case Kind::breaker_open:
      return true;
    case Kind::invalid_request:
    case Kind::quota:
    case Kind::content_filter:
      return false;
  }
  return false;
}

}  // namespace

ResilientLlm::ResilientLlm(LlmPort& inner, std::string endpoint, std::string fallback_model, CircuitBreakers& breakers,
                           AttemptObserver observer, std::function<Clock::time_point()> now)
    : inner_(inner),
      endpoint_(std::move(endpoint)),
      fallback_model_(std::move(fallback_model)),
      breakers_(breakers),
      observer_(std::move(observer)),
      now_(std::move(now)) {}

Task<ChatCompletion> ResilientLlm::complete(ChatRequest request, DeltaSink sink) {
  auto const model = request.model;
  auto const has_fallback = !fallback_model_.empty() && fallback_model_ != model;
  auto handed_out = false;
  DeltaSink watched;
  if (sink) {
    watched = [&handed_out, &sink](std::string_view piece) {
      handed_out = true;
      sink(piece);
    };
  }
  ChatRequest spare;
  if (has_fallback) {
    spare = request;
    auto const now = now_();
    if (request.until > now) request.until -= (request.until - now) / 4;
  }
  auto asking = attempt(std::move(request), watched, std::nullopt);
  auto outcome = co_await std::move(asking);
  if (has_fallback && outcome.error && another_may_answer(outcome.error->kind())) {
    auto const first = *outcome.error;
    spare.model = fallback_model_;
    // Its words are not put behind those of a half answer that was passed on.
    auto falling_back = attempt(std::move(spare), handed_out ? DeltaSink{} : std::move(watched), model);
    outcome = co_await std::move(falling_back);
    // The first error is more useful than that the other breaker was open, too.
    if (outcome.error && outcome.error->kind() == Kind::breaker_open && first.kind() != Kind::breaker_open) {
      outcome.error = first;
    }
    if (outcome.error && outcome.error->kind() == Kind::breaker_open && first.retry_after() &&
        *first.retry_after() < outcome.error->retry_after().value_or(*first.retry_after())) {
      outcome.error = first;
    }
  }
  if (outcome.error) throw *outcome.error;
  co_return std::move(*outcome.completion);
}

Task<ResilientLlm::Outcome> ResilientLlm::attempt(ChatRequest request, DeltaSink sink,
                                                  std::optional<std::string> fallback_from) {
  Outcome outcome;
  auto const model = request.model;
  auto const has_tools = !request.tools.empty();
  auto& breaker = breakers_.at(endpoint_ + " " + model);
  auto const begun = now_();
  auto const left = std::chrono::floor<std::chrono::milliseconds>(request.until - begun);
  if (left < shortest_deadline) {
    outcome.error.emplace(Kind::timeout, "no time is left for an answer of " + model);
    co_return outcome;
  }
  auto permit = breaker.acquire(begun);
  if (!permit) {
    outcome.error.emplace(Kind::breaker_open, "the circuit breaker of " + model + " is open", breaker.wait_time(begun));
    co_return outcome;
  }
  auto const had_fair_time = left >= std::min(request.deadline, fair_time);
  request.deadline = std::min(request.deadline, left);
  try {
    auto asking = inner_.complete(std::move(request), std::move(sink));
    outcome.completion = co_await std::move(asking);
    if (!is_answer(*outcome.completion, has_tools)) {
      auto remains = std::make_shared<ChatCompletion>(std::move(*outcome.completion));
      outcome.completion.reset();
      remains->oddities.add(Oddity::no_words);
      outcome.error.emplace(Kind::no_words, "the answer has no words", std::nullopt, std::move(remains));
    }
  } catch (LlmError const& error) {
    outcome.error = error;
  }
  auto const ended = now_();
  if (!outcome.error || shows_working_endpoint(*outcome.error)) {
    permit->succeeded();
  } else if (counts_against_endpoint(*outcome.error, had_fair_time)) {
    permit->failed(ended);
  }
  if (outcome.completion && fallback_from) outcome.completion->fallback_from = *fallback_from;
  if (observer_) {
    LlmAttempt attempt;
    attempt.endpoint = endpoint_;
    attempt.model = model;
    attempt.completion = outcome.completion ? &*outcome.completion : nullptr;
    attempt.error = outcome.error ? &*outcome.error : nullptr;
    attempt.duration = std::chrono::duration_cast<std::chrono::milliseconds>(ended - begun);
    attempt.fallback_from = std::move(fallback_from);
    observer_(attempt);
  }
  co_return outcome;
}

}  // namespace omnibus::llm
