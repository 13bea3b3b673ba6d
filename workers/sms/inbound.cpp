#include "workers/sms/inbound.hpp"

#include "time/time.hpp"

namespace omnibus::sms {

Inbound inbound(SmsMessageReceived const& message) {
  Inbound said;
  said.domain = message.domain;
  said.channel = sessions::Channel::sms;
  said.sender = {message.phone_number};
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
  said.sender = {message.phone_number, message.whatsapp_user_id};
  said.text = message.text;
  said.provider = "whatsapp_cloud";
  said.provider_message_id = message.provider_message_id;
  said.received_ms = parse_time_ms(message.received_at).value_or(0);
  return said;
}

}  // namespace omnibus::sms
