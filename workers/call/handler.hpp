/// Turns an ended call into a session to follow up and a summary over both channels.
#pragma once

#include "assistant/model.hpp"
#include "events/call.hpp"
#include "handler/handler.hpp"
#include "workers/call/config.hpp"
#include "workers/call/store.hpp"

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::call {

/// Finds the summary (in the event, in `call_summaries`, or by a model from the transcript), stores it in the person's
/// session and requests its sending by WhatsApp and SMS. A call without any of these waits a while for its row,
/// and then gets a text that fits every call. A replay sends nothing again.
class CallHandler {
 public:
  static constexpr std::string_view name = "call";
  static constexpr std::string_view summary = "Sends the summary of an ended call by WhatsApp and SMS.";
  using Settings = CallSettings;
  using Events = EventList<CallTerminated>;

  CallHandler(Resources& resources, CallSettings const& settings)
      : CallHandler{settings, std::make_unique<PostgresCalls>(),
                    resources.replay ? nullptr : std::make_unique<assistant::Model>(resources, settings)} {}
  /// @param model null in a replay.
  CallHandler(CallSettings const& settings, std::unique_ptr<CallStore> store, std::unique_ptr<assistant::Model> model)
      : settings_{settings}, store_{std::move(store)}, model_{std::move(model)} {}

  Task<> handle(Context& context, CallTerminated const& call);
  /// Opens the session to follow up and requests the general text when no attempt succeeded.
  void gave_up(Context& context, CallTerminated const& call, Failure const& failure, UnitOfWork& unit);

 private:
  Task<std::optional<std::string>> find_or_make_summary(Context& context, CallTerminated const& call);
  Task<std::optional<std::string>> summarise(Context& context, CallTerminated const& call);
  Task<std::optional<std::string>> await_summary(Context& context, CallTerminated const& call);
  sessions::Session follow_up(Context& context, CallTerminated const& call, std::optional<std::string> const& told,
                              UnitOfWork& unit);

  CallSettings const settings_;
  std::unique_ptr<CallStore> store_;
  std::unique_ptr<assistant::Model> model_;  // null in a replay
};

}  // namespace omnibus::call
