/// A person's message, from any channel. Pure.
#pragma once

#include "events/inbound.hpp"
#include "sessions/profile.hpp"

#include <cstdint>
#include <optional>
#include <string>

namespace omnibus::sms {

struct Inbound {
  std::string domain;
  sessions::Channel channel = sessions::Channel::sms;
  sessions::PersonIdentity sender;
  std::string kind = "message";  ///< of the delivery log
  std::string text;              ///< empty for a message without text
  std::string provider;
  std::optional<std::string> provider_message_id;
  std::int64_t received_ms = 0;  ///< since 1970
};

Inbound inbound(SmsMessageReceived const& message);
Inbound inbound(WhatsappMessageReceived const& message);

}  // namespace omnibus::sms
