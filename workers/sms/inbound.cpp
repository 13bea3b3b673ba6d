#include "workers/sms/inbound.hpp"

#include "subjects/subjects.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace omnibus::sms {
namespace {

/// WhatsApp's kinds that are no message to answer: they concern an earlier one.
constexpr std::array<std::string_view, 3> unanswered{"reaction", "edit", "revoke"};
/// Text, and the buttons of templates, of which "Stop" is one.
constexpr std::array<std::string_view, 2> written{"text", "button"};

}  // namespace

std::optional<messaging::Keyword> keyword(Inbound const& said) {
  return said.is_written ? messaging::keyword(said.text) : std::nullopt;
}

bool can_be_answered(Inbound const& said) {
  return said.channel != sessions::Channel::sms || said.sender.phone_number.has_value();
}

Inbound inbound(SmsMessageReceived const& message) {
  Inbound said;
  said.domain = message.domain;
  said.channel = sessions::Channel::sms;
  said.sender.phone_number = message.phone_number;
  said.sender.sms_sender = message.phone_number ? std::nullopt : message.sender;
  said.text = message.text;
  said.provider = message.provider;
  said.provider_message_id = message.provider_message_id;
  said.received_ms = parse_time_ms(message.received_at).value_or(0);
  return said;
}

Inbound inbound(WhatsappMessageReceived const& message) {
  Inbound said;
  said.domain = message.domain;
  said.channel = sessions::Channel::whatsapp;
  said.sender.phone_number = message.phone_number;
  said.sender.whatsapp_user_id = message.whatsapp_user_id;
  said.sender.wa_id = message.wa_id;
  said.text = message.text;
  said.wants_answer = std::ranges::find(unanswered, message.kind) == unanswered.end();
  said.is_written = std::ranges::find(written, message.kind) != written.end();
  said.provider = "whatsapp_cloud";
  said.provider_message_id = message.provider_message_id;
  said.received_ms = parse_time_ms(message.received_at).value_or(0);
  return said;
}

Inbound with_keys(Inbound said, std::string_view record_key, sessions::KeySecrets const& secrets) {
  if (parse_subject_key(record_key)) said.subject_keys.emplace_back(record_key);
  for (auto& key : sessions::subject_keys(secrets, said.domain, said.sender))
    if (std::ranges::find(said.subject_keys, key) == said.subject_keys.end())
      said.subject_keys.push_back(std::move(key));
  if (!said.subject_keys.empty()) said.sender.subject_key = said.subject_keys.front();
  return said;
}

}  // namespace omnibus::sms
