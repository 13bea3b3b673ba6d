#include "assistant/model.hpp"

#include "assistant/history.hpp"
#include "events/llm.hpp"
#include "handler/failure.hpp"
#include "http/client.hpp"
#include "llm/openai_client.hpp"
#include "llm/prices.hpp"
#include "llm/resilient_llm.hpp"
#include "observability/metrics.hpp"
#include "resilience/breaker_metrics.hpp"

#include <algorithm>
#include <optional>
#include <utility>

namespace omnibus::assistant {
namespace {

constexpr std::string_view provider = "openai";
constexpr std::string_view operation = "chat";
constexpr std::chrono::milliseconds least_for_the_first{1'000};  // question: who gives up earlier still asks once

http::HttpClientSettings http_settings(Resources const& resources, ModelSettings const& settings) {
  http::HttpClientSettings http;
  http.max_connections_per_host = resources.place.part_of(static_cast<std::size_t>(settings.llm_connections));
  return http;
}

llm::OpenAiSettings openai_settings(ModelSettings const& settings) {
  llm::OpenAiSettings openai;
  openai.base_url = settings.llm_base_url;
  openai.api_key = settings.api_key().reveal();
  openai.max_response_bytes = settings.llm_max_response.bytes;
  return openai;
}

/// The OpenAI wire together with its connections.
class OpenAiEndpoint final : public llm::LlmPort {
 public:
  OpenAiEndpoint(Resources& resources, ModelSettings const& settings)
      : client_{resources.loop, http_settings(resources, settings)}, openai_{client_, openai_settings(settings)} {}

  Task<llm::ChatCompletion> complete(llm::ChatRequest request, llm::DeltaSink sink) override {
    return openai_.complete(std::move(request), std::move(sink));
  }
  std::string endpoint() const override { return openai_.endpoint(); }

 private:
  http::Client client_;
  llm::OpenAiClient openai_;
};

/// The answer, or what came of one that failed.
llm::ChatCompletion const* what_came(llm::LlmAttempt const& attempt) {
  return attempt.error == nullptr ? attempt.completion : attempt.error->remains();
}

LlmCall describe(llm::LlmAttempt const& attempt, Context const& context, std::string const& domain,
                 Uuid const& conversation) {
  LlmCall call;
  call.call_id = random_uuid();
  call.domain = domain;
  call.conversation_id = conversation;
  call.worker = context.worker();
  call.operation = operation;
  call.provider = provider;
  call.request_model = attempt.model;
  call.duration_ms = attempt.duration.count();
  call.fallback_from = attempt.fallback_from;
  auto const* const came = what_came(attempt);
  if (came == nullptr) return call;
  auto const& completion = *came;
  call.response_model = completion.model;
  call.input_tokens = completion.usage.input;
  call.output_tokens = completion.usage.output;
  call.cached_input_tokens = completion.usage.cached;
  call.reasoning_tokens = completion.usage.reasoning;
  call.usage_estimated = completion.usage.estimated;
  call.cost_usd = llm::PriceTable::built_in().cost(attempt.model, completion.usage).usd;
  if (completion.ttft) call.ttft_ms = completion.ttft->count();
  call.finish_reason = completion.finish_reason;
  return call;
}

/// What a call holds: the prompt, the request's body with the same texts, and the longest answer, at four bytes a
/// token.
std::size_t working_bytes(llm::ChatRequest const& request) {
  std::size_t prompt = 0;
  for (auto const& message : request.messages) prompt += sizeof message + message.content.size();
  return 2 * prompt + 4 * static_cast<std::size_t>(std::max<std::int64_t>(request.max_tokens, 0));
}

/// The name of an answer's checkpoint; part of its events' `source`, a URI reference.
std::string series_of(Turn const& turn) {
  auto series = turn.step.empty() ? std::string{"answer"} : "answer-" + turn.step;
  std::ranges::replace(series, ' ', '-');
  return series;
}

std::shared_ptr<CircuitBreakers> make_breakers() {
  return std::make_shared<CircuitBreakers>(BreakerSettings{}, &count_transition);
}

}  // namespace

Model::Model(Resources& resources, ModelSettings const& settings)
    : Model{settings, resources.replay ? nullptr : std::make_unique<OpenAiEndpoint>(resources, settings),
            std::make_unique<PostgresAnswers>(), resources.shared->get<CircuitBreakers>("model", make_breakers)} {}

Model::Model(ModelSettings const& settings, std::unique_ptr<llm::LlmPort> port, std::unique_ptr<AnswerStore> answers,
             std::shared_ptr<CircuitBreakers> breakers)
    : settings_{settings},
      port_{std::move(port)},
      answers_{std::move(answers)},
      breakers_{breakers ? std::move(breakers) : make_breakers()} {}

Task<RecordedAnswer> Model::ask(Context& context, Turn turn, std::vector<llm::Message> prompt,
                                std::vector<llm::Tool> tools, llm::DeltaSink sink) {
  auto asking = ask_unrecorded(context, turn, std::move(prompt), std::move(tools), std::move(sink));
  auto answer = co_await std::move(asking);
  auto recording = record(context, turn, answer);
  co_await std::move(recording);
  co_return answer;
}

Task<RecordedAnswer> Model::ask_unrecorded(Context& context, Turn const& turn, std::vector<llm::Message> prompt,
                                           std::vector<llm::Tool> tools, llm::DeltaSink sink) {
  llm::ChatRequest request;
  request.messages = std::move(prompt);
  request.tools = std::move(tools);
  request.max_tokens = settings_.llm_max_tokens;
  request.until = latest_answer(context, turn);
  RecordedAnswer answer;
  auto asking = complete(context, turn, std::move(request), std::move(sink), answer);
  co_await std::move(asking);
  co_return answer;
}

Task<bool> Model::commit_with_answer(Context& context, Turn turn, RecordedAnswer const& answer,
                                     std::function<void(UnitOfWork&)> work) {
  auto committing = context.commit_with_step(
      series_of(turn), [&](UnitOfWork& step) { record(step, context, turn, answer); },
      [&](UnitOfWork& step, UnitOfWork& unit) {
        if (answer.call) step.publish(*answer.call, to_string(turn.conversation));
        work(unit);
      });
  co_return co_await std::move(committing);
}

Task<bool> Model::commit_with_answer(Context& context, std::optional<UnrecordedAnswer> const& unrecorded,
                                     std::function<void(UnitOfWork&)> work) {
  return unrecorded ? commit_with_answer(context, unrecorded->turn, unrecorded->answer, std::move(work))
                    : context.commit(std::move(work));
}

Task<> Model::complete(Context& context, Turn const& turn, llm::ChatRequest request, llm::DeltaSink sink,
                       RecordedAnswer& answer) {
  request.model = settings_.llm_model;
  request.deadline = settings_.llm_deadline;
  request.messages = healed(std::move(request.messages));
  if (!asks_something(request.messages))
    throw llm::LlmError(llm::LlmError::Kind::invalid_request, "the message has no words");
  context.work_in(working_bytes(request));
  auto const observe = [&](llm::LlmAttempt const& attempt) {
    auto call = describe(attempt, context, turn.domain, turn.conversation);
    auto const error_type = attempt.error == nullptr ? std::string_view{} : to_string(attempt.error->kind());
    calls_.observe(call, error_type);
    if (auto const* const came = what_came(attempt)) {
      came->oddities.each(
          [](llm::Oddity oddity) { Metrics::process().counter<Metric::llm_odd_answers>(to_string(oddity)).add(); });
    }
    if (attempt.error == nullptr) {
      static_cast<LlmCall&>(answer.call.emplace()) = std::move(call);
      return;
    }
    LlmCallFailed failed;
    static_cast<LlmCall&>(failed) = std::move(call);
    failed.error_type = error_type;
    // Each call has a new id: the same event tried again makes another call.
    context.publish_now(failed, to_string(turn.conversation), to_string(failed.call_id), 0);
    if (!answer.failures) answer.failures.emplace();
    answer.failures->push_back(std::move(failed));
  };
  if (!port_) throw Failure::permanent("a replay asks no model", "replay");
  llm::ResilientLlm llm{*port_, port_->endpoint(), settings_.llm_fallback_model, *breakers_, observe};
  auto asking = llm.complete(std::move(request), std::move(sink));
  auto completion = co_await std::move(asking);

  answer.text = std::move(completion.text);
  answer.model = std::move(completion.model);
  for (auto& call : completion.tool_calls) {
    if (!answer.tool_calls) answer.tool_calls.emplace();
    answer.tool_calls->push_back({std::move(call.id), std::move(call.name), std::move(call.arguments)});
  }
}

void Model::record(UnitOfWork& unit, Context& context, Turn const& turn, RecordedAnswer const& answer) {
  answers_->record(unit, context.event_key(), turn.step, answer);
  if (answer.call) unit.publish(*answer.call, to_string(turn.conversation));
}

Task<bool> Model::record(Context& context, Turn const& turn, RecordedAnswer& answer) {
  auto recording = context.keep(series_of(turn), [&](UnitOfWork& unit) { record(unit, context, turn, answer); });
  if (co_await std::move(recording)) co_return true;
  auto finding = answers_->find(context, turn.step);
  auto stored = co_await std::move(finding);
  if (!stored) co_return true;
  answer = *std::move(stored);
  co_return false;
}

std::chrono::steady_clock::time_point Model::latest_answer(Context const& context, Turn const& turn) const {
  // Without an earlier question it waited for something else, such as the database or others of its key.
  auto const waited_for_model = context.attempt() > 1 || context.deferred() || turn.follows;
  auto const first = std::max(settings_.llm_give_up_after, least_for_the_first);
  return std::chrono::steady_clock::now() + (waited_for_model ? time_left(context) : first);
}

std::chrono::milliseconds Model::time_left(Context const& context) const {
  return settings_.llm_give_up_after - context.waiting_for();
}

std::string Model::give_up(Context const& context, llm::LlmError const& error) const {
  std::string reason{to_string(error.kind())};
  if (!error.retriable()) return reason;
  // The engine waits up to a tenth longer than it is asked to.
  auto const wait = error.retry_after().value_or(std::chrono::milliseconds{0});
  auto const left = time_left(context);
  if (wait + wait / 10 + llm::ResilientLlm::shortest_deadline >= left) return reason;
  if (error.kind() == llm::LlmError::Kind::breaker_open)
    throw Failure::deferred("the model's endpoint keeps failing: " + reason, wait, left);
  if (context.attempt() >= static_cast<std::uint32_t>(settings_.llm_max_attempts)) return reason;
  // Paid for, and no more readable the second time.
  if (error.kind() == llm::LlmError::Kind::protocol && context.attempt() > 1) return reason;
  throw Failure::transient("no answer from the model: " + reason, error.retry_after(), left);
}

}  // namespace omnibus::assistant
