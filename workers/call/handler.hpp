/// An ended call becomes a session to be followed up and a summary over both channels.
#pragma once

#include "assistant/model.hpp"
#include "events/call.hpp"
#include "handler/handler.hpp"
#include "workers/call/config.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::call {

/// Finds the summary (in the event, in `call_summaries`, or by a model from the transcript), keeps it in the person's
/// session and asks for it to be sent by WhatsApp and SMS. A call of which nothing is known waits a while for its row,
/// and then gets a text that fits every call. In a replay nobody is told again.
class CallHandler {
 public:
  static constexpr std::string_view name = "call";
  static constexpr std::string_view summary = "Sends the summary of an ended call by WhatsApp and SMS.";
  using Settings = CallSettings;
  using Events = EventList<CallTerminated>;

  CallHandler(Resources& resources, CallSettings const& settings) : settings_{settings} {
    if (!resources.replay) model_.emplace(resources, settings);
  }

  Task<> handle(Context& context, CallTerminated const& call);

 private:
  Task<std::optional<std::string>> find_or_make_summary(Context& context, CallTerminated const& call);
  Task<std::optional<std::string>> summarise(Context& context, CallTerminated const& call);
  Task<std::optional<std::string>> await_summary(Context& context, CallTerminated const& call);

  CallSettings const settings_;
  std::optional<assistant::Model> model_;  // none in a replay
};

}  // namespace omnibus::call
