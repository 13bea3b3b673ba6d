#include "workers/call/handler.hpp"

#include "events/conversation.hpp"
#include "handler/failure.hpp"
#include "observability/metrics.hpp"
#include "sessions/notification.hpp"
#include "text/words.hpp"
#include "time/time.hpp"
#include "workers/call/transcript.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::call {
namespace {

constexpr std::uint32_t looks = 6;  // attempts to find the summary: fewer than the attempts of an event

}  // namespace

Task<> CallHandler::handle(Context& context, CallTerminated const& call) {
  if (context.replaying()) co_return context.pass_over("nobody is told of a call again");
  auto finding = find_or_make_summary(context, call);
  auto const told = co_await std::move(finding);
  std::optional<sessions::Session> session;
  auto committing = context.commit([&](UnitOfWork& unit) { session = follow_up(context, call, told, unit); });
  auto const committed = co_await std::move(committing);
  if (!committed) co_return;  // it was handled before
  Metrics::process().counter<Metric::sessions_last_channel>("voice").add();
  if (session->expired_age_s) Metrics::process().histogram<Metric::session_duration>().observe(*session->expired_age_s);
  log::info(context.log_fields(), "a call's session is open",
            {{"event", "SESSION_GET_OR_CREATE_SUCCESS"}, {"session_id", to_string(session->id)}});
  log::info(context.log_fields(), "a call's summary is to be sent",
            {{"event", "POST_CALL_NOTIFY_SUCCESS"}, {"session_id", to_string(session->id)}});
}

Task<std::optional<std::string>> CallHandler::find_or_make_summary(Context& context, CallTerminated const& call) {
  if (call.summary) co_return call.summary;
  auto finding = store_->find_summary(context, call);
  auto found = co_await std::move(finding);
  if (found) co_return found;
  auto const has_transcript = call.transcript && !call.transcript->empty();
  auto making = has_transcript ? summarise(context, call) : await_summary(context, call);
  co_return co_await std::move(making);
}

Task<std::optional<std::string>> CallHandler::summarise(Context& context, CallTerminated const& call) {
  auto finding = model_->find_answer(context, {});
  auto const recorded = co_await std::move(finding);
  if (recorded && has_words(recorded->text)) co_return recorded->text;
  for (auto tokens = settings_.transcript_tokens;;) {
    auto prompt = summary_prompt(settings_.instructions, *call.transcript, static_cast<std::size_t>(tokens));
    if (!has_words(prompt.back().content)) co_return std::nullopt;
    try {
      auto asking = model_->ask(context, {call.domain, conversation_id_of(call.domain, "call:" + call.call_id)},
                                std::move(prompt), {}, {});
      auto answer = co_await std::move(asking);
      if (has_words(answer.text)) co_return std::move(answer.text);
    } catch (llm::LlmError const& error) {
      if (error.kind() == llm::LlmError::Kind::context_length && tokens == settings_.transcript_tokens) {
        tokens = assistant::Model::shorter(tokens);
        continue;
      }
      // Throws to retry, unless the person has waited long enough.
      model_->give_up(context, error);
    }
    co_return std::nullopt;
  }
}

Task<std::optional<std::string>> CallHandler::await_summary(Context& context, CallTerminated const&) {
  auto const wait = settings_.call_summary_wait;
  if (context.attempt() > looks || context.failing_for() >= wait) co_return std::nullopt;
  throw Failure::transient("the call's summary is not written yet",
                           std::max(wait / static_cast<int>(looks), std::chrono::milliseconds{1}));
}

sessions::Session CallHandler::follow_up(Context& context, CallTerminated const& call,
                                         std::optional<std::string> const& told, UnitOfWork& unit) {
  auto session = store_->open_follow_up(unit, call, context.key(), told);
  NotificationRequested request{call.domain, session.profile_id, "call_summary", {"whatsapp", "sms"}, {}};
  request.body = fit_body(told.value_or(settings_.generic_text));
  request.session_id = session.id;
  request.expires_at = format_time_ms(context.time_ms() + settings_.call_summary_expires_after.count());
  store_->request_notification(unit, request);
  return session;
}

void CallHandler::gave_up(Context& context, CallTerminated const& call, Failure const& failure, UnitOfWork& unit) {
  if (!sessions::can_be_told(failure)) return;
  // Without the summary, which may be what the database rejected.
  follow_up(context, call, {}, unit);
}

}  // namespace omnibus::call
