#include "workers/notify/providers/tenant_sender.hpp"

#include <array>

namespace omnibus::notify {

std::span<std::string_view const> roles_of(std::string_view provider) {
  static constexpr std::array<std::string_view, 1> twilio{"auth_token"};
  static constexpr std::array<std::string_view, 1> whatsapp{"access_token"};
  static constexpr std::array<std::string_view, 2> mtn{"api_key", "api_secret"};
  if (provider == "twilio_sms") return twilio;
  if (provider == "whatsapp_cloud") return whatsapp;
  return mtn;
}

Refused UnusableSender::refusal() const {
  return {Refused::Kind::transient,
          std::string(refusal::unusable_sender),
          "the tenant's sender: " + reason_,
          std::chrono::minutes(1),
          true,
          true};
}

Task<std::optional<Refused>> UnusableSender::await_turn(OutboundMessage const&, Pause const&) {
  co_return refusal();
}

Task<SendResult> UnusableSender::send(OutboundMessage const&) {
  co_return refusal();
}

Task<LookUp> UnusableSender::look_up(OutboundMessage const&, std::chrono::system_clock::time_point) {
  co_return LookUp{LookUp::State::unknown, {}, reason_};
}

}  // namespace omnibus::notify
