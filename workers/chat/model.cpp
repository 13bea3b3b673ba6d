#include "workers/chat/model.hpp"

#include "engine/failure.hpp"
#include "events/llm.hpp"
#include "observability/metrics.hpp"
#include "workers/chat/store.hpp"

#include <optional>
#include <utility>

namespace omnibus::chat {
namespace {

constexpr std::size_t delta_bytes = 48;  // parts are published in pieces of about this size, not token by token
constexpr std::string_view provider = "openai";
constexpr std::string_view operation = "chat";

http::ClientSettings http_settings(ChatSettings const& settings) {
  http::ClientSettings http;
  http.max_connections_per_host = static_cast<std::size_t>(settings.llm_connections);
  return http;
}

llm::OpenAiSettings openai_settings(ChatSettings const& settings) {
  llm::OpenAiSettings openai;
  openai.base_url = settings.llm_base_url;
  openai.api_key = settings.llm_api_key.reveal();
  openai.max_response_bytes = settings.llm_max_response.bytes;
  return openai;
}

/// Publishes an answer's parts as they come.
class DeltaPublisher {
 public:
  DeltaPublisher(engine::Context& context, Uuid const& conversation) : context_{context}, conversation_{conversation} {}

  void add(std::string_view text) {
    pending_ += text;
    if (pending_.size() >= delta_bytes) flush();
  }
  void flush() {
    if (pending_.empty()) return;
    ChatReplyDelta const delta{conversation_, std::string{context_.event().id}, index_, std::exchange(pending_, {})};
    context_.publish_now(delta, to_string(conversation_), "delta", index_++);
  }

 private:
  engine::Context& context_;
  Uuid conversation_;
  std::string pending_;
  int index_ = 0;
};

LlmCall describe(llm::LlmAttempt const& attempt, engine::Context const& context, std::string const& domain,
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
  if (attempt.completion == nullptr) return call;
  auto const& completion = *attempt.completion;
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

void count(LlmCall const& call, std::string_view error_type) {
  auto& metrics = Metrics::process();
  metrics.histogram<Metric::llm_duration>(operation, provider, call.request_model, error_type)
      .observe(static_cast<double>(call.duration_ms) / 1000);
  if (!error_type.empty()) return;
  metrics.histogram<Metric::llm_tokens>(operation, provider, call.request_model, "input")
      .observe(static_cast<double>(call.input_tokens));
  metrics.histogram<Metric::llm_tokens>(operation, provider, call.request_model, "output")
      .observe(static_cast<double>(call.output_tokens));
}

}  // namespace

Model::Model(Resources& resources, ChatSettings const& settings)
    : settings_{settings},
      client_{resources.loop, http_settings(settings)},
      openai_{client_, openai_settings(settings)},
      breakers_{{}, [](std::string const& breaker, CircuitBreaker::State entered) {
                  auto& metrics = Metrics::process();
                  metrics.gauge<Metric::breaker_state>(breaker).set(static_cast<double>(entered));
                  metrics.counter<Metric::breaker_transitions>(breaker, to_string(entered)).add();
                }} {}

Task<std::string> Model::ask(engine::Context& context, std::string domain, Uuid conversation,
                             std::vector<llm::Message> prompt) {
  std::optional<LlmCallCompleted> answered;
  auto const observe = [&](llm::LlmAttempt const& attempt) {
    auto call = describe(attempt, context, domain, conversation);
    auto const error_type = attempt.error == nullptr ? std::string_view{} : to_string(attempt.error->kind());
    count(call, error_type);
    if (attempt.error == nullptr) {
      static_cast<LlmCall&>(answered.emplace()) = std::move(call);
      return;
    }
    LlmCallFailed failed;
    static_cast<LlmCall&>(failed) = std::move(call);
    failed.error_type = error_type;
    // A call has an id of its own: the same event tried again makes another call.
    context.publish_now(failed, to_string(conversation), to_string(failed.call_id), 0);
  };
  llm::ResilientLlm llm{openai_, openai_.endpoint(), settings_.llm_fallback_model, breakers_, observe};

  llm::ChatRequest request;
  request.model = settings_.llm_model;
  request.messages = std::move(prompt);
  request.max_tokens = settings_.llm_max_tokens;
  request.deadline = settings_.llm_deadline;
  DeltaPublisher deltas{context, conversation};
  auto asking = llm.complete(std::move(request), [&deltas](std::string_view text) { deltas.add(text); });
  auto completion = co_await std::move(asking);
  deltas.flush();

  RecordedAnswer const answer{completion.text, completion.model, answered};
  auto recording = context.checkpoint("answer", [&](engine::UnitOfWork& unit) {
    record_answer(unit, context.event_key(), answer);
    if (answered) unit.publish(*answered, to_string(conversation));
  });
  co_await std::move(recording);
  co_return std::move(completion.text);
}

std::string Model::give_up(engine::Context const& context, llm::LlmError const& error) const {
  auto const reason = std::string{to_string(error.kind())};
  if (!error.retriable()) return reason;
  if (context.failing_for() >= settings_.llm_give_up_after) return reason;
  if (error.kind() == llm::LlmError::Kind::breaker_open)
    throw Failure::outage("the model's endpoint keeps failing: " + reason);
  if (context.attempt() >= static_cast<std::uint32_t>(settings_.llm_max_attempts)) return reason;
  throw Failure::transient("no answer from the model: " + reason, error.retry_after());
}

}  // namespace omnibus::chat
