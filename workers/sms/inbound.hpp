/// A person's message, from any channel. Pure.
#pragma once

#include "events/inbound.hpp"
#include "messaging/keyword.hpp"
#include "sessions/opt_out.hpp"
#include "sessions/profile.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::sms {

struct Inbound {
  std::string domain;
  sessions::Channel channel = sessions::Channel::sms;
  sessions::PersonIdentity sender;
  std::string kind = "message";  ///< of the delivery log
  std::string text;              ///< empty for a message without text
  bool wants_answer = true;      ///< false for what is no message to answer, such as a reaction
  bool is_written = true;        ///< written by the person, and so perhaps a keyword: no choice from a list of ours
  std::string provider;
  std::optional<std::string> provider_message_id;
  std::int64_t received_ms = 0;             ///< since 1970
  std::vector<std::string> subject_keys{};  ///< of the sender, by which an opt-out is kept
};

/// The keyword that the person wrote, such as STOP.
std::optional<messaging::Keyword> keyword(Inbound const& said);

/// Whether an answer can reach the sender: an SMS from a short code or a name has no number to answer.
bool can_be_answered(Inbound const& said);

Inbound inbound(SmsMessageReceived const& message);
Inbound inbound(WhatsappMessageReceived const& message);

/// The message with its sender's subject keys: the record's key if it is one, as the gateway writes it, and those that
/// the secrets make.
Inbound with_keys(Inbound said, std::string_view record_key, sessions::KeySecrets const& secrets);

}  // namespace omnibus::sms
