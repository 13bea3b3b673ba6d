/// WhatsApp's Cloud API.
#pragma once

#include "http/client.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/provider_settings.hpp"

#include <string>

namespace omnibus::notify {

/// The body of a request; nothing when the message is invalid: no text or more than 4,096 characters, a template
/// with more than 1,024 in its parameters, a recipient WhatsApp does not know. The effect key is sent as
/// `biz_opaque_callback_data`, which status webhooks repeat.
std::optional<std::string> whatsapp_body(OutboundMessage const& message);

/// Interprets a response. A refusal has WhatsApp's error code; those of account, token and address are `of_provider`.
SendResult read_whatsapp_answer(http::Response const& answer);

/// WhatsApp detects no repetition and cannot be asked: its status webhook resolves a message in doubt.
class WhatsAppCloud final : public Provider {
 public:
  static constexpr std::string_view provider_name = "whatsapp_cloud";
  /// The client must outlive it. @throws std::invalid_argument naming the invalid setting
  WhatsAppCloud(http::Client& client, WhatsAppSettings settings, std::chrono::milliseconds deadline);

  std::string_view name() const override { return provider_name; }
  std::string_view channel() const override { return "whatsapp"; }
  Capabilities capabilities() const override { return {}; }
  std::int64_t unit_price_micros() const override { return settings_.price_micros; }
  Task<SendResult> send(OutboundMessage const& message) override;
  Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) override;

 private:
  http::Client& client_;
  WhatsAppSettings settings_;
  std::chrono::milliseconds deadline_;
  http::Url url_;
};

}  // namespace omnibus::notify
