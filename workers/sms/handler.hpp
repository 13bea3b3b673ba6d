/// Handles each message that a person sends by SMS or WhatsApp, and closes the sessions that expire.
#pragma once

#include "assistant/model.hpp"
#include "events/inbound.hpp"
#include "events/tick.hpp"
#include "handler/handler.hpp"
#include "messaging/keyword.hpp"
#include "tools/messaging_tools.hpp"
#include "workers/sms/config.hpp"
#include "workers/sms/inbound.hpp"
#include "workers/sms/store.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::sms {

/// Continues the person's open session, on whichever channel it began. The model answers with the context that the
/// channels share, and may change it with its tools. The answer is sent over the message's channel. STOP,
/// START and HELP are obeyed before any model is asked. A person who has opted out gets no other answer, and one with
/// many answers within an hour gets none for a while. A replay answers nothing again.
class SmsHandler {
 public:
  static constexpr std::string_view name = "sms";
  static constexpr std::string_view summary = "Answers SMS and WhatsApp messages with a language model.";
  using Settings = SmsSettings;
  using Events = EventList<SmsMessageReceived, WhatsappMessageReceived, TickSessionsCleanup>;

  SmsHandler(Resources& resources, SmsSettings const& settings)
      : SmsHandler{settings, std::make_unique<PostgresDialogues>(),
                   resources.replay ? nullptr : std::make_unique<assistant::Model>(resources, settings)} {}
  /// @param model null in a replay.
  SmsHandler(SmsSettings const& settings, std::unique_ptr<DialogueStore> store, std::unique_ptr<assistant::Model> model)
      : settings_{settings}, store_{std::move(store)}, model_{std::move(model)} {}

  Task<> handle(Context& context, SmsMessageReceived const& message);
  Task<> handle(Context& context, WhatsappMessageReceived const& message);
  /// Closes expired sessions of all channels, batch by batch.
  Task<> handle(Context& context, TickSessionsCleanup const& tick);
  /// Hands the session to a person and tells the sender so when no attempt succeeded.
  void gave_up(Context& context, SmsMessageReceived const& message, Failure const& failure, UnitOfWork& unit);
  void gave_up(Context& context, WhatsappMessageReceived const& message, Failure const& failure, UnitOfWork& unit);

 private:
  Task<> take(Context& context, Inbound said);
  Task<> obey(Context& context, Inbound const& said, messaging::Keyword keyword);
  Task<> answer(Context& context, Inbound const& said);
  /// Publishes that the message cannot be answered. No model is asked.
  Task<> skip_answer(Context& context, Inbound const& said, Dialogue const& conversation);
  bool is_enough(std::int64_t recent_replies) const;
  Task<std::string> ask(Context& context, Inbound const& said, Dialogue const& conversation,
                        tools::MessagingTools& tools, std::int32_t history_tokens);
  Task<assistant::RecordedAnswer> ask_once(Context& context, assistant::Turn turn, std::vector<llm::Message> prompt,
                                           bool with_tools);
  Task<> reply(Context& context, Inbound const& said, Dialogue const& conversation, tools::MessagingTools const& tools,
               std::string const& text);
  void hand_over(Context& context, Inbound const& said, Failure const& failure, UnitOfWork& unit);
  void request(UnitOfWork& unit, Context& context, Inbound const& said, Dialogue const& conversation, std::string kind,
               std::vector<std::string> channels, std::string body) const;

  SmsSettings const settings_;
  std::unique_ptr<DialogueStore> store_;
  std::unique_ptr<assistant::Model> model_;  // null in a replay
};

}  // namespace omnibus::sms
