#include "workers/sms/handler.hpp"

#include "observability/metrics.hpp"
#include "sessions/notification.hpp"
#include "text/words.hpp"
#include "time/time.hpp"

#include <optional>
#include <utility>

namespace omnibus::sms {
namespace {

constexpr std::int32_t sessions_at_once = 1'000;  // closed in one short transaction

tools::SessionState state_of(sessions::Session const& session) {
  return {session.id, session.status, session.context};
}

bool may_be_answered(Inbound const& said, sessions::Profile const& profile) {
  return said.channel == sessions::Channel::sms ? profile.allows_sms : profile.allows_whatsapp;
}

std::string channel_of(Inbound const& said) {
  return std::string{sessions::to_string(said.channel)};
}

void tell_withheld(Context& context) {
  log::warn(context.log_fields(), "a message is not answered: its person had enough answers within an hour",
            {{"setting", "REPLIES_PER_HOUR"}});
  Metrics::process().counter<Metric::replies_withheld>().add();
}

/// Counts a message, and the age of an expired session that it found. `expired_age_s` as in sessions::Session.
void count(Inbound const& said, std::optional<double> expired_age_s) {
  Metrics::process().counter<Metric::sessions_last_channel>(sessions::to_string(said.channel)).add();
  if (expired_age_s) Metrics::process().histogram<Metric::session_duration>().observe(*expired_age_s);
}

}  // namespace

Task<> SmsHandler::handle(Context& context, SmsMessageReceived const& message) {
  auto taking = take(context, with_keys(inbound(message), context.key(), settings_));
  co_await std::move(taking);
}

Task<> SmsHandler::handle(Context& context, WhatsappMessageReceived const& message) {
  auto taking = take(context, with_keys(inbound(message), context.key(), settings_));
  co_await std::move(taking);
}

Task<> SmsHandler::handle(Context& context, TickSessionsCleanup const&) {
  if (context.replaying()) co_return context.pass_over("sessions are closed when they expire");
  std::size_t closed = 0;
  auto more = true;
  for (int batch = 0; more; ++batch) {
    std::vector<double> ages;
    auto closing = context.checkpoint("batch " + std::to_string(batch),
                                      [&](UnitOfWork& unit) { ages = store_->close_expired(unit, sessions_at_once); });
    auto const first = co_await std::move(closing);
    if (!first) continue;  // an earlier attempt closed this batch
    for (auto const age : ages) Metrics::process().histogram<Metric::session_duration>().observe(age);
    closed += ages.size();
    more = ages.size() == static_cast<std::size_t>(sessions_at_once);
  }
  auto committing = context.commit([](UnitOfWork&) {});
  co_await std::move(committing);
  if (closed > 0) log::info(context.log_fields(), "expired sessions are closed", {{"sessions", closed}});
}

Task<> SmsHandler::take(Context& context, Inbound said) {
  if (context.replaying()) co_return context.pass_over("nobody is answered again");
  auto const keyword = sms::keyword(said);
  auto taking = keyword ? obey(context, said, *keyword) : answer(context, said);
  co_await std::move(taking);
}

Task<> SmsHandler::obey(Context& context, Inbound const& said, messaging::Keyword keyword) {
  auto withheld = false;
  std::optional<double> expired_age_s;
  auto committing = context.commit([&](UnitOfWork& unit) {
    auto const conversation = store_->receive(unit, context.event_key(), said);
    expired_age_s = conversation.session.expired_age_s;
    auto const& profile = conversation.profile;
    auto const answer_with = [&](std::string kind, std::string const& text) {
      withheld = is_enough(store_->count_recent_replies(unit, profile.id));
      if (withheld) return;
      request(unit, context, said, conversation, std::move(kind), {channel_of(said)}, text);
    };
    switch (keyword) {
      case messaging::Keyword::stop:
        store_->opt_out(unit, profile, said);
        if (!may_be_answered(said, profile)) return;  // answered before; a machine may send it after every answer
        return answer_with("opt_out", settings_.opt_out_text);
      case messaging::Keyword::start:
        store_->opt_in(unit, profile, said);
        return answer_with("opt_in", settings_.opt_in_text);
      case messaging::Keyword::help:
        return answer_with("help", settings_.help_text);
    }
  });
  auto const obeyed = co_await std::move(committing);
  if (obeyed) count(said, expired_age_s);
  if (obeyed && withheld) tell_withheld(context);
}

Task<> SmsHandler::answer(Context& context, Inbound const& said) {
  std::optional<double> expired_age_s;
  auto receiving = context.checkpoint("received", [&](UnitOfWork& unit) {
    expired_age_s = store_->receive(unit, context.event_key(), said).session.expired_age_s;
  });
  auto const first = co_await std::move(receiving);
  if (first) count(said, expired_age_s);
  auto reading = store_->read(context, settings_.history_messages, settings_.history_tokens);
  auto const conversation = co_await std::move(reading);
  if (!can_be_answered(said)) {
    auto skipping = skip_answer(context, said, conversation);
    co_return co_await std::move(skipping);
  }
  auto const answerable = said.wants_answer && has_words(said.text) && may_be_answered(said, conversation.profile);
  if (!answerable || is_enough(conversation.recent_replies)) {
    auto committing = context.commit([](UnitOfWork&) {});
    auto const ended = co_await std::move(committing);
    if (answerable && ended) tell_withheld(context);
    co_return;
  }
  tools::MessagingTools tools{state_of(conversation.session)};
  std::string text;
  for (auto tokens = settings_.history_tokens;;) {
    try {
      auto asking = ask(context, said, conversation, tools, tokens);
      text = co_await std::move(asking);
    } catch (llm::LlmError const& error) {
      if (error.kind() == llm::LlmError::Kind::context_length && tokens == settings_.history_tokens) {
        tokens = assistant::Model::shorter(tokens);
        tools = tools::MessagingTools{state_of(conversation.session)};
        continue;
      }
      // Throws to retry, unless the person has waited long enough.
      auto const reason = model_->give_up(context, error);
      log::warn(context.log_fields(), "no model answered a message", {{"reason", reason}});
    }
    break;
  }
  if (!has_words(text)) {
    tools.hand_over();
    text = settings_.fallback_text;
  }
  auto replying = reply(context, said, conversation, tools, text);
  co_await std::move(replying);
}

Task<> SmsHandler::skip_answer(Context& context, Inbound const& said, Dialogue const& conversation) {
  auto committing = context.commit([&](UnitOfWork& unit) {
    NotificationSkipped const skipped{said.domain, std::string{context.event().id}, conversation.profile.id,
                                      channel_of(said), "no_phone_number"};
    unit.publish(skipped, to_string(skipped.profile_id));
  });
  auto const committed = co_await std::move(committing);
  if (committed) log::info(context.log_fields(), "a sender without a phone number cannot be answered", {});
}

bool SmsHandler::is_enough(std::int64_t recent_replies) const {
  return settings_.replies_per_hour > 0 && recent_replies >= settings_.replies_per_hour;
}

Task<std::string> SmsHandler::ask(Context& context, Inbound const& said, Dialogue const& conversation,
                                  tools::MessagingTools& tools, std::int32_t history_tokens) {
  auto prompt = make_prompt(settings_.instructions, conversation.session.context, conversation.history, said.text,
                            history_tokens);
  for (int round = 0;; ++round) {
    auto const last = round >= settings_.tool_rounds;
    assistant::Turn turn{said.domain, conversation.session.id, "round " + std::to_string(round), round > 0};
    auto asking = ask_once(context, std::move(turn), prompt, !last);
    auto answer = co_await std::move(asking);
    if (last || !answer.tool_calls || answer.tool_calls->empty()) co_return std::move(answer.text);
    llm::Message wished{"assistant", std::move(answer.text)};
    for (auto& call : *answer.tool_calls) wished.tool_calls.push_back({call.id, call.name, call.arguments});
    prompt.push_back(std::move(wished));
    for (auto const& call : *answer.tool_calls)
      prompt.push_back({"tool", tools.execute(call.name, call.arguments), {}, call.id});
  }
}

Task<assistant::RecordedAnswer> SmsHandler::ask_once(Context& context, assistant::Turn turn,
                                                     std::vector<llm::Message> prompt, bool with_tools) {
  // An earlier attempt has paid for it, and its tools have run on it: the same answer gives the same result.
  auto finding = model_->find_answer(context, turn.step);
  auto recorded = co_await std::move(finding);
  if (recorded) co_return *std::move(recorded);
  auto asking = model_->ask(context, std::move(turn), std::move(prompt),
                            with_tools ? tools::messaging_tools() : std::vector<llm::Tool>{}, {});
  co_return co_await std::move(asking);
}

Task<> SmsHandler::reply(Context& context, Inbound const& said, Dialogue const& conversation,
                         tools::MessagingTools const& tools, std::string const& text) {
  std::optional<Kept> kept;
  auto committing = context.commit([&](UnitOfWork& unit) {
    kept = store_->keep(unit, conversation, said.channel, tools);
    request(unit, context, said, conversation, "reply", {channel_of(said)}, text);
    for (auto const& wish : tools.messages())
      request(unit, context, said, conversation, "message", wish.channels, wish.body);
  });
  auto const committed = co_await std::move(committing);
  if (!committed) co_return;  // it was handled before
  if (!kept->complete) log::warn(context.log_fields(), "a session's context is full: a fact was not kept", {});
  if (kept->closed) Metrics::process().histogram<Metric::session_duration>().observe(kept->session.age_s);
}

void SmsHandler::gave_up(Context& context, SmsMessageReceived const& message, Failure const& failure,
                         UnitOfWork& unit) {
  hand_over(context, with_keys(inbound(message), context.key(), settings_), failure, unit);
}

void SmsHandler::gave_up(Context& context, WhatsappMessageReceived const& message, Failure const& failure,
                         UnitOfWork& unit) {
  hand_over(context, with_keys(inbound(message), context.key(), settings_), failure, unit);
}

void SmsHandler::hand_over(Context& context, Inbound const& said, Failure const& failure, UnitOfWork& unit) {
  auto const to_a_person = [&] {
    auto conversation = store_->receive_if_known(unit, context.event_key(), said);
    if (!conversation) return conversation;
    tools::MessagingTools tools{state_of(conversation->session)};
    tools.hand_over();
    store_->keep(unit, *conversation, said.channel, tools);
    return conversation;
  };
  if (keyword(said) == messaging::Keyword::stop) {
    // It counts whatever became of its message, and of a person who is not known. It is never answered with an excuse.
    store_->suppress(unit, said);
    auto const stored = !sessions::can_be_told(failure) || store_->attempt(unit, [&] {
      if (auto const conversation = to_a_person()) store_->opt_out(unit, conversation->profile, said);
    });
    if (!stored) log::warn(context.log_fields(), "a STOP counts, and its message could not be stored", {});
    return;
  }
  if (!sessions::can_be_told(failure)) return;
  auto const conversation = to_a_person();
  if (!conversation) return;
  auto const& profile = conversation->profile;
  if (!said.wants_answer || !has_words(said.text) || !may_be_answered(said, profile)) return;
  if (is_enough(store_->count_recent_replies(unit, profile.id))) return;
  request(unit, context, said, *conversation, "reply", {channel_of(said)}, settings_.fallback_text);
}

void SmsHandler::request(UnitOfWork& unit, Context& context, Inbound const& said, Dialogue const& conversation,
                         std::string kind, std::vector<std::string> channels, std::string body) const {
  NotificationRequested wanted{said.domain, conversation.profile.id, std::move(kind), std::move(channels),
                               fit_body(body)};
  wanted.session_id = conversation.session.id;
  wanted.expires_at = format_time_ms(context.time_ms() + settings_.reply_expires_after.count());
  store_->request_notification(unit, wanted);
}

}  // namespace omnibus::sms
