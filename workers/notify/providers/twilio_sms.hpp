/// Twilio's Messages resource, for SMS.
#pragma once

#include "http/client.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/provider_settings.hpp"

#include <functional>
#include <string>

namespace omnibus::notify {

/// The form of a request; nothing when the message is invalid: a text that is empty or longer than 1,600
/// characters, a recipient that is not E.164.
std::optional<std::string> twilio_form(OutboundMessage const& message, TwilioSettings const& settings);
/// Interprets the response to a sending.
SendResult read_twilio_answer(http::Response const& answer);
/// Finds a message in the list of those to its recipient, newest first: ours with the same text that were
/// created no earlier than a minute before `sent_at`, as clocks differ, and no later than its request can have lasted.
/// If there is only a later one, nothing can be told. `settled`: a message sent by then
/// would be listed; if the list does not reach back that far, the message cannot be judged absent.
LookUp read_twilio_list(http::Response const& answer, OutboundMessage const& message,
                        std::chrono::system_clock::time_point sent_at, std::chrono::milliseconds deadline,
                        bool settled);

/// Twilio detects no repetition, but lists accepted messages, and calls back with the effect key.
class TwilioSms final : public Provider {
 public:
  static constexpr std::string_view provider_name = "twilio_sms";
  using WallClock = std::chrono::system_clock;

  /// The client must outlive it. @throws std::invalid_argument naming the invalid setting
  TwilioSms(http::Client& client, TwilioSettings settings, std::int64_t segment_price_micros,
            std::chrono::milliseconds deadline, std::function<WallClock::time_point()> now = &WallClock::now);

  std::string_view name() const override { return provider_name; }
  std::string_view channel() const override { return "sms"; }
  Capabilities capabilities() const override { return {false, true}; }
  std::int64_t unit_price_micros() const override { return price_; }
  Task<SendResult> send(OutboundMessage const& message) override;
  Task<LookUp> look_up(OutboundMessage const& message, WallClock::time_point sent_at) override;

 private:
  http::ClientRequest request() const;

  http::Client& client_;
  TwilioSettings settings_;
  std::int64_t price_;
  std::chrono::milliseconds deadline_;
  std::function<WallClock::time_point()> now_;
  http::Url url_;
  std::string authorization_;
};

}  // namespace omnibus::notify
