/// MTN's SMS API, version 3.
#pragma once

#include "http/client.hpp"
#include "workers/notify/providers/mtn_token.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/provider_call.hpp"
#include "workers/notify/providers/provider_settings.hpp"

#include <chrono>
#include <string>

namespace omnibus::notify {

/// The body of a request; nothing when the message is invalid: an empty text, a recipient that is not E.164. The
/// effect key is sent as `clientCorrelatorId`, which receipts repeat; receipts are requested.
std::optional<std::string> mtn_body(OutboundMessage const& message, MtnSmsSettings const& settings);

/// Interprets a response: the body's code, not HTTP 200, says whether it was accepted. A message without an id from MTN
/// is identified by its effect key.
SendResult read_mtn_answer(http::Response const& answer, Uuid const& effect_key);

/// MTN documents neither that it recognises a repeated `clientCorrelatorId` nor a way to ask by it. With an
/// agreement on the first, set MTN_SMS_HONOURS_KEY. Otherwise a receipt resolves a message in doubt.
class MtnSms final : public Provider {
 public:
  static constexpr std::string_view provider_name = "mtn_sms";
  /// The client must outlive it. @throws std::invalid_argument naming the invalid setting
  MtnSms(http::Client& client, MtnSmsSettings settings, std::int64_t segment_price_micros,
         std::chrono::milliseconds deadline, std::function<MtnToken::Clock::time_point()> now = &MtnToken::Clock::now);

  std::string_view name() const override { return provider_name; }
  std::string_view channel() const override { return "sms"; }
  Capabilities capabilities() const override { return {settings_.honours_key, false}; }
  std::int64_t unit_price_micros() const override { return price_; }
  /// Gets a token first, so that a failure to get one leaves no message in doubt.
  Task<std::optional<Refused>> await_turn(OutboundMessage const& message, Pause const& pause) override;
  Task<SendResult> send(OutboundMessage const& message) override;
  Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) override;

 private:
  Task<CallOutcome> post(std::string body, std::string const& token, std::chrono::milliseconds deadline);

  http::Client& client_;
  MtnSmsSettings settings_;
  std::int64_t price_;
  std::chrono::milliseconds deadline_;
  http::Url url_;
  MtnToken token_;
};

}  // namespace omnibus::notify
