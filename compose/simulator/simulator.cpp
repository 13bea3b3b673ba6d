#include "compose/simulator/simulator.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/in_flight.hpp"
#include "compose/simulator/replies.hpp"
#include "compose/simulator/structured/structured.hpp"

#include <algorithm>

#include <boost/describe/enum_to_string.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_prompts = 2'000'000;  // counted one by one; later ones only in total

http::Response refuse(int status, std::string_view message, std::string_view type, std::string_view parameter,
                      std::string_view code) {
  return http::json_response(status, error_body(message, type, parameter, code));
}

char const* name_of(FaultRule const* fault) {
  return fault == nullptr ? "ok" : boost::describe::enum_to_string(fault->kind, "unknown");
}

/// Whether the model has made its answer when this fault strikes, so that a provider would charge for it.
bool answers(FaultRule const* fault) {
  if (fault == nullptr) return true;
  switch (fault->kind) {
    case FaultKind::latency:
    case FaultKind::drip:
    case FaultKind::not_json:
    case FaultKind::wrong_schema:
    case FaultKind::refusal:
      return true;
    default:
      return false;
  }
}

/// The text of an answer that calls no tool.
std::string text_for(Question const& question, FaultRule const* fault, std::uint64_t seed) {
  if (question.form != Question::Form::text) {
    if (is(fault, FaultKind::not_json)) return unstructured_answer(question, seed);
    if (is(fault, FaultKind::wrong_schema)) return misfitting_answer(question, seed);
    return structured_answer(question, seed);
  }
  return question.tool_result.empty() ? answer_to(question.text, seed)
                                      : answer_from_tool(question.text, question.tool_result);
}

/// Cuts a text to about so many tokens, before a blank where there is one.
void cut(std::string& text, std::int64_t tokens) {
  auto end = static_cast<std::size_t>(tokens) * 4;
  if (end >= text.size()) return;
  auto const blank = text.rfind(' ', end);
  if (blank != std::string::npos) end = blank;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  text.resize(end);
}

}  // namespace

Simulator::Simulator(SimulatorSettings settings)
    : settings_(std::move(settings)),
      faults_(settings_.faults, settings_.seed),
      oddities_(settings_.oddities, settings_.seed) {}

http::Router Simulator::router() {
  http::Router router;
  auto const bind = [this](auto member) {
    return [this, member](http::Request const& request) { return (this->*member)(request); };
  };
  router.add_stream("POST", "/v1/chat/completions",
                    [this](http::Request const& request, http::Stream& stream) { return complete(request, stream); });
  router.get("/v1/models", bind(&Simulator::models));
  router.get("/_simulator/stats", bind(&Simulator::stats));
  router.add("DELETE", "/_simulator/stats", bind(&Simulator::reset_stats));
  router.post("/_simulator/faults", bind(&Simulator::set_faults));
  router.add("DELETE", "/_simulator/faults", bind(&Simulator::clear_faults));
  router.get("/_simulator/oddities", bind(&Simulator::list_oddities));
  router.post("/_simulator/oddities", bind(&Simulator::set_oddities));
  router.add("DELETE", "/_simulator/oddities", bind(&Simulator::clear_oddities));
  router.otherwise(bind(&Simulator::unknown));
  return router;
}

Task<> Simulator::complete(http::Request const& request, http::Stream& stream) {
  ++requests_;
  InFlight const counted(in_flight_, most_in_flight_);
  Question question;
  std::optional<http::Response> refused;
  try {
    question = read_question(request.body);
  } catch (BadRequest const& bad) {
    refused = refuse(400, bad.what(), "invalid_request_error", bad.parameter, "");
  }
  if (!refused && question.prompt_tokens > settings_.context_tokens) {
    auto const message = fmt::format("This model's maximum context length is {} tokens, the messages have {}.",
                                     settings_.context_tokens, question.prompt_tokens);
    refused = refuse(400, message, "invalid_request_error", "messages", "context_length_exceeded");
  }
  OddWay const* oddity = nullptr;
  if (auto const name = request.headers.find("X-Oddity"); name && !refused) {
    try {
      oddity = &find_oddity(*name);
    } catch (std::invalid_argument const& error) {
      refused = refuse(400, error.what(), "invalid_request_error", "X-Oddity", "");
    }
  }
  if (refused) {
    ++outcomes_["refused"];
    auto responding = stream.respond(std::move(*refused));
    co_await std::move(responding);
    co_return;
  }
  if (prompts_.size() < most_prompts) {
    ++prompts_[question.prompt_hash].asked;
    ++texts_[stable_hash(question.text)].asked;
  }
  // A copy: the rules may be replaced while this request waits.
  auto const* const struck = faults_.next(question.text, question.model);
  auto const fault = struck != nullptr ? std::optional(*struck) : std::nullopt;
  if (oddity == nullptr) {
    auto const* const rule = oddities_.next(question.text, question.model);
    if (rule != nullptr) oddity = rule->kind;
  }
  auto answering = answer(question, fault ? &*fault : nullptr, oddity, stream);
  co_await std::move(answering);
}

Task<> Simulator::answer(Question const& question, FaultRule const* fault, OddWay const* oddity, http::Stream& stream) {
  auto wait = latency_of(question);
  if (is(fault, FaultKind::latency)) wait += milliseconds(fault->ms.value_or(1000));
  if (wait.count() > 0) {
    auto waiting = stream.wait(wait);
    co_await std::move(waiting);
  }
  if (fault == nullptr && oddity != nullptr) {
    if (auto reply = oddity->reply({make_answer(question, nullptr), question.stream, question.include_usage})) {
      ++outcomes_[std::string(oddity->name)];
      if (reply->answered) finished(question);
      auto replying = send_odd_reply(std::move(*reply), stream);
      co_await std::move(replying);
      co_return;
    }
  }
  ++outcomes_[name_of(fault)];
  if (is(fault, FaultKind::reset)) {
    stream.reset();
    co_return;
  }
  http::Response response;
  if (is(fault, FaultKind::rate_limit)) {
    response = refuse(429, "Rate limit reached for requests", "requests", "", "rate_limit_exceeded");
    response.headers.add("Retry-After", std::to_string(fault->retry_after));
    response.headers.add("x-ratelimit-remaining-requests", "0");
  } else if (is(fault, FaultKind::error)) {
    response = refuse(static_cast<int>(fault->status), "The server had an error while processing your request",
                      "server_error", "", "");
  } else if (is(fault, FaultKind::wrong_type)) {
    response = http::text_response(200, "<html><body>Welcome to the hotel's network</body></html>", "text/html");
  } else {
    auto const made = make_answer(question, fault);
    auto sending = question.stream ? send_stream(question, made, fault, stream) : send_whole(made, fault, stream);
    co_await std::move(sending);
    if (answers(fault)) finished(question);
    co_return;
  }
  auto responding = stream.respond(std::move(response));
  co_await std::move(responding);
}

Answer Simulator::make_answer(Question const& question, FaultRule const* fault) {
  auto const unique = fmt::format("{:016x}{:08x}", question.prompt_hash, ++completions_);
  Answer answer;
  answer.id = "chatcmpl-" + unique;
  answer.model = question.model;
  answer.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  answer.prompt_tokens = question.prompt_tokens;
  answer.finish_reason = "stop";
  if (is(fault, FaultKind::refusal)) {
    answer.refusal = "I'm sorry, I can't help with that.";
    answer.completion_tokens = count_tokens(answer.refusal);
    return answer;
  }
  if (question.call) {
    answer.calls.push_back(*question.call);
    answer.calls.front().id = "call_" + unique;
    answer.second_call = question.second_call;
    if (answer.second_call) answer.second_call->id = "call_" + unique + "b";
    answer.finish_reason = "tool_calls";
    answer.completion_tokens = 8 + count_tokens(question.call->arguments);
    return answer;
  }
  answer.text = text_for(question, fault, settings_.seed);
  answer.completion_tokens = count_tokens(answer.text);
  if (question.max_tokens > 0 && answer.completion_tokens > question.max_tokens) {
    cut(answer.text, question.max_tokens);
    answer.finish_reason = "length";
    answer.completion_tokens = question.max_tokens;
  }
  return answer;
}

milliseconds Simulator::latency_of(Question const& question) const {
  if (settings_.latency_jitter.count() <= 0) return settings_.latency;
  auto const range = static_cast<std::uint64_t>(settings_.latency_jitter.count()) + 1;
  return settings_.latency + milliseconds(static_cast<std::int64_t>(
                                 (question.prompt_hash ^ stable_hash("latency", settings_.seed)) % range));
}

void Simulator::finished(Question const& question) {
  ++answered_;
  if (auto const found = prompts_.find(question.prompt_hash); found != prompts_.end()) {
    if (++found->second.answered > 1) ++repeated_;
  }
  if (auto const found = texts_.find(stable_hash(question.text)); found != texts_.end()) ++found->second.answered;
}

}  // namespace omnibus::simulator
