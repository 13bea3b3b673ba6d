#include "compose/simulator/simulator.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/in_flight.hpp"
#include "http/sse.hpp"

#include <algorithm>

#include <boost/describe/enum_to_string.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

using std::chrono::milliseconds;

constexpr std::size_t most_prompts = 2'000'000;  // counted one by one; later ones only in total
constexpr std::string_view done = "[DONE]";

http::Response refuse(int status, std::string_view message, std::string_view type, std::string_view parameter,
                      std::string_view code) {
  return http::json_response(status, error_body(message, type, parameter, code));
}

char const* name_of(FaultRule const* fault) {
  return fault == nullptr ? "ok" : boost::describe::enum_to_string(fault->kind, "unknown");
}

bool is(FaultRule const* fault, FaultKind kind) {
  return fault != nullptr && fault->kind == kind;
}

http::Headers stream_headers() {
  return {{"Content-Type", "text/event-stream; charset=utf-8"}, {"Cache-Control", "no-cache"}};
}

/// Writes until the peer has had enough.
Task<> write_endlessly(http::Stream& stream, std::string piece) {
  while (!stream.closed()) {
    auto writing = stream.write(piece);
    co_await std::move(writing);
    auto waiting = stream.wait(milliseconds(1));
    co_await std::move(waiting);
  }
}

}  // namespace

Simulator::Simulator(SimulatorSettings settings)
    : settings_(std::move(settings)), faults_(settings_.faults, settings_.seed) {}

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
  auto answering = answer(question, fault ? &*fault : nullptr, stream);
  co_await std::move(answering);
}

Task<> Simulator::answer(Question const& question, FaultRule const* fault, http::Stream& stream) {
  auto wait = latency_of(question);
  if (is(fault, FaultKind::latency)) wait += milliseconds(fault->ms.value_or(1000));
  if (wait.count() > 0) {
    auto waiting = stream.wait(wait);
    co_await std::move(waiting);
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
    auto const made = make_answer(question);
    auto sending = question.stream ? send_stream(question, made, fault, stream) : send_whole(made, fault, stream);
    co_await std::move(sending);
    auto const whole = fault == nullptr || is(fault, FaultKind::latency) || is(fault, FaultKind::drip);
    if (whole) finished(question);
    co_return;
  }
  auto responding = stream.respond(std::move(response));
  co_await std::move(responding);
}

Task<> Simulator::send_stream(Question const& question, Answer const& answer, FaultRule const* fault,
                              http::Stream& stream) {
  auto const chunks = answer_chunks(answer, question.include_usage);
  auto const broken = is(fault, FaultKind::truncated) || is(fault, FaultKind::stream_error);
  auto const sent = broken ? chunks.size() / 2 : chunks.size();
  auto const pace = is(fault, FaultKind::drip) ? milliseconds(fault->ms.value_or(200)) : settings_.pace;
  std::string out;
  if (fault == nullptr && pace.count() == 0) {  // all at once: the cheapest way for thousands of callers
    for (auto const& chunk : chunks) http::append_sse_event(out, {}, chunk);
    http::append_sse_event(out, {}, done);
    auto responding = stream.respond(http::Response{200, stream_headers(), std::move(out)});
    co_await std::move(responding);
    co_return;
  }
  auto starting = stream.start(200, stream_headers());
  co_await std::move(starting);
  for (std::size_t i = 0; i < sent; ++i) {
    http::append_sse_event(out, {}, chunks[i]);
    if (pace.count() == 0) continue;
    auto writing = stream.write(out);
    co_await std::move(writing);
    out.clear();
    auto waiting = stream.wait(pace);
    co_await std::move(waiting);
  }
  if (is(fault, FaultKind::truncated)) out.append("data: ").append(chunks[sent].substr(0, chunks[sent].size() / 2));
  if (is(fault, FaultKind::stream_error)) {
    http::append_sse_event(out, {}, error_body("The server is overloaded", "server_error", "", ""));
  }
  if (!broken && !is(fault, FaultKind::endless)) http::append_sse_event(out, {}, done);
  auto writing = stream.write(out);
  co_await std::move(writing);
  if (!is(fault, FaultKind::endless)) co_return;
  std::string filler;
  while (filler.size() < 16 * 1024) http::append_sse_event(filler, {}, chunks[chunks.size() / 2]);
  auto filling = write_endlessly(stream, std::move(filler));
  co_await std::move(filling);
}

Task<> Simulator::send_whole(Answer const& answer, FaultRule const* fault, http::Stream& stream) {
  auto body = whole_answer(answer);
  if (is(fault, FaultKind::truncated)) body.resize(body.size() / 2);
  if (is(fault, FaultKind::stream_error)) body = error_body("The server is overloaded", "server_error", "", "");
  if (is(fault, FaultKind::endless) || is(fault, FaultKind::drip)) {
    auto starting = stream.start(200, {{"Content-Type", "application/json"}});
    co_await std::move(starting);
    if (is(fault, FaultKind::endless)) {
      auto filling = write_endlessly(stream, std::string(16 * 1024, ' '));
      co_await std::move(filling);
      co_return;
    }
    for (auto rest = std::string_view(body); !rest.empty();) {
      auto const piece = rest.substr(0, 64);
      rest.remove_prefix(piece.size());
      auto writing = stream.write(piece);
      co_await std::move(writing);
      auto waiting = stream.wait(milliseconds(fault->ms.value_or(200)));
      co_await std::move(waiting);
    }
    co_return;
  }
  auto responding = stream.respond(http::json_response(200, std::move(body)));
  co_await std::move(responding);
}

Answer Simulator::make_answer(Question const& question) const {
  Answer answer;
  answer.id = fmt::format("chatcmpl-{:016x}", question.prompt_hash);
  answer.model = question.model;
  answer.created =
      std::chrono::duration_cast<std::chrono::seconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  answer.prompt_tokens = question.prompt_tokens;
  if (!question.tool.empty()) {
    answer.tool = question.tool;
    answer.tool_arguments = question.tool_arguments;
    answer.finish_reason = "tool_calls";
    answer.completion_tokens = 8 + count_tokens(answer.tool_arguments);
    return answer;
  }
  answer.finish_reason = "stop";
  answer.text = question.tool_result.empty() ? answer_to(question.text, settings_.seed)
                                             : answer_from_tool(question.text, question.tool_result);
  answer.completion_tokens = count_tokens(answer.text);
  if (question.max_tokens > 0 && answer.completion_tokens > question.max_tokens) {
    auto end = static_cast<std::size_t>(question.max_tokens) * 4;
    if (end < answer.text.size()) {
      auto const blank = answer.text.rfind(' ', end);
      answer.text.resize(blank == std::string::npos ? 0 : blank);
    }
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

Task<http::Response> Simulator::models(http::Request const&) {
  co_return http::json_response(
      200,
      R"({"object":"list","data":[{"id":"omnibus-small","object":"model","created":1735689600,"owned_by":"omnibus"},)"
      R"({"id":"omnibus-large","object":"model","created":1735689600,"owned_by":"omnibus"}]})");
}

Task<http::Response> Simulator::stats(http::Request const& request) {
  boost::json::object body;
  body["requests"] = requests_;
  body["in_flight"] = in_flight_;
  body["most_in_flight"] = most_in_flight_;
  body["answered"] = answered_;
  body["answered_again"] = repeated_;
  body["distinct_prompts"] = prompts_.size();
  auto& outcomes = body["outcomes"].emplace_object();
  for (auto const& [name, count] : outcomes_) outcomes[name] = count;
  auto const counts = [](Counts const& of) {
    return boost::json::object{{"asked", of.asked}, {"answered", of.answered}};
  };
  if (auto const text = request.query_value("text")) {
    auto const found = texts_.find(stable_hash(*text));
    body["text"] = counts(found != texts_.end() ? found->second : Counts{});
  }
  if (request.query_value("prompts")) {
    auto& prompts = body["prompts"].emplace_object();
    for (auto const& [hash, of] : prompts_) prompts[fmt::format("{:016x}", hash)] = counts(of);
  }
  co_return http::json_response(200, boost::json::serialize(body));
}

Task<http::Response> Simulator::reset_stats(http::Request const&) {
  requests_ = most_in_flight_ = answered_ = repeated_ = 0;
  outcomes_.clear();
  prompts_.clear();
  texts_.clear();
  co_return http::Response{204, {}, {}};
}

Task<http::Response> Simulator::set_faults(http::Request const& request) {
  http::Response response;
  try {
    faults_ = FaultPlan(parse_fault_rules(request.body), settings_.seed);
    response = http::json_response(200, boost::json::serialize(boost::json::object{{"rules", faults_.size()}}));
  } catch (std::invalid_argument const& error) {
    response = http::problem(422, {}, error.what(), "rules");
  }
  co_return response;
}

Task<http::Response> Simulator::clear_faults(http::Request const&) {
  faults_ = FaultPlan();
  co_return http::Response{204, {}, {}};
}

}  // namespace omnibus::simulator
