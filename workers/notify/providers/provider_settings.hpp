/// Settings of message providers: credentials, addresses, prices and rate limits.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "senders/settings.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

namespace omnibus::notify {

/// The SMS providers.
enum class SmsProvider { mtn, twilio };
BOOST_DESCRIBE_ENUM(SmsProvider, mtn, twilio)

/// Limits are of one process, whatever its LOOPS: divide them between several workers.
struct WhatsAppSettings {
  std::string base_url = "https://graph.facebook.com/v23.0";
  Secret access_token;
  std::string phone_number_id;
  double rate_per_second = 80;
  std::chrono::milliseconds recipient_interval{6'000};
  std::int64_t price_micros = 50'000;

  static constexpr std::array docs{
      config::Doc{"base_url", "Graph API with its version, without /PHONE_NUMBER_ID/messages"},
      config::Doc{"access_token", "Token of a system user; empty: nothing is sent over WhatsApp"},
      config::Doc{"phone_number_id", "Id of the sender's phone number"},
      config::Doc{"rate_per_second", "Messages per second on average; 0: no limit", 0, 1e6},
      config::Doc{"recipient_interval", "Time between two messages to one person; 0: no limit", 0, 3600},
      config::Doc{"price_micros", "Price of one message, in millionths of the spend cap's currency", 0, 1e12},
  };
};
BOOST_DESCRIBE_STRUCT(WhatsAppSettings, (),
                      (base_url, access_token, phone_number_id, rate_per_second, recipient_interval, price_micros))

struct MtnSmsSettings {
  std::string base_url = "https://api.mtn.com";
  Secret api_key;
  Secret api_secret;
  std::string sender_id = "EasyMO";
  std::string service_code;
  bool honours_key = false;

  static constexpr std::array docs{
      config::Doc{"base_url", "MTN's API, without /v1/oauth and /v3/sms"},
      config::Doc{"api_key", "Client id (consumer key); empty: nothing is sent over MTN"},
      config::Doc{"api_secret", "Client secret (consumer secret)"},
      config::Doc{"sender_id", "The sender that people see: up to 11 letters and digits, or a short code"},
      config::Doc{"service_code", "MTN's short code for the sender; empty: the sender id"},
      config::Doc{"honours_key", "MTN has agreed to deliver a repeated clientCorrelatorId only once"},
  };
};
BOOST_DESCRIBE_STRUCT(MtnSmsSettings, (), (base_url, api_key, api_secret, sender_id, service_code, honours_key))

struct TwilioSettings {
  std::string base_url = "https://api.twilio.com";
  std::string account_sid;
  Secret auth_token;
  std::string from;
  std::string webhook_base_url;
  std::chrono::milliseconds look_up_after{60'000};

  static constexpr std::array docs{
      config::Doc{"base_url", "Twilio's API, without /2010-04-01"},
      config::Doc{"account_sid", "Account id; empty: nothing is sent over Twilio"},
      config::Doc{"auth_token", "Token of the account"},
      config::Doc{"from", "Number in E.164, alphanumeric sender, or the SID of a messaging service (MG...)"},
      config::Doc{"webhook_base_url",
                  "Address at which Twilio reaches the gateway, without /webhooks; empty: no delivery receipts"},
      config::Doc{"look_up_after",
                  "If a message is missing in Twilio's list this long after it was sent, it was never accepted", 0,
                  86400},
  };
};
BOOST_DESCRIBE_STRUCT(TwilioSettings, (), (base_url, account_sid, auth_token, from, webhook_base_url, look_up_after))

struct SmsProviderSettings {
  SmsProvider provider = SmsProvider::mtn;
  double rate_per_second = 50;
  std::chrono::milliseconds recipient_interval{1'000};
  std::int64_t segment_price_micros = 50'000;

  static constexpr std::array docs{
      config::Doc{"provider", "mtn or twilio"},
      config::Doc{"rate_per_second", "Messages per second on average; 0: no limit", 0, 1e6},
      config::Doc{"recipient_interval", "Time between two messages to one person; 0: no limit", 0, 3600},
      config::Doc{"segment_price_micros", "Price of one part of an SMS, in millionths of the spend cap's currency", 0,
                  1e12},
  };
};
BOOST_DESCRIBE_STRUCT(SmsProviderSettings, (), (provider, rate_per_second, recipient_interval, segment_price_micros))

/// Settings that apply to every provider.
struct SendSettings {
  std::chrono::milliseconds deadline{30'000};
  std::chrono::milliseconds longest_wait{10'000};
  std::int32_t connections = 1024;
  std::int32_t breaker_failures = 5;
  std::chrono::milliseconds breaker_open_time{60'000};

  static constexpr std::array docs{
      config::Doc{"deadline", "Time for one message: connecting, sending and the provider's answer", 0.1, 600},
      config::Doc{"longest_wait", "A message that the rate limits delay for longer than this is retried later", 0, 600},
      config::Doc{"connections", "Most connections to one provider", 1, 100'000},
      config::Doc{"breaker_failures", "Failures of a provider in a row after which its circuit breaker opens", 1,
                  1'000'000},
      config::Doc{"breaker_open_time", "How long the circuit breaker stays open", 0.001, 3600},
  };
};
BOOST_DESCRIBE_STRUCT(SendSettings, (), (deadline, longest_wait, connections, breaker_failures, breaker_open_time))

/// A base of the notify worker's settings, or a member of them.
struct ProviderSettings : senders::SenderSettings {
  WhatsAppSettings whatsapp;
  SmsProviderSettings sms;
  MtnSmsSettings mtn_sms;
  TwilioSettings twilio;
  SendSettings send;

  static constexpr std::string_view prefix = "";
};
BOOST_DESCRIBE_STRUCT(ProviderSettings, (senders::SenderSettings), (whatsapp, sms, mtn_sms, twilio, send))

}  // namespace omnibus::notify
