/// Settings of the webhooks.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "senders/settings.hpp"
#include "workers/gateway/webhooks/signature.hpp"

#include <array>
#include <chrono>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {

/// How one provider's requests are signed, if the provider lets the customer choose.
struct SignedWebhookSettings {
  Secret secret;
  Secret secret_previous;
  std::string signature_header = "X-Signature";
  std::string signature_prefix;
  SignatureEncoding signature_encoding = SignatureEncoding::hex;
  std::string timestamp_header;
  std::chrono::milliseconds tolerance{300'000};
  bool unsigned_allowed = false;

  static constexpr std::array docs{
      config::Doc{"secret", "Key of the requests' HMAC-SHA256 signature; empty: answered 503"},
      config::Doc{"secret_previous", "The previous secret, also accepted while it is being replaced"},
      config::Doc{"signature_header", "The header with the signature"},
      config::Doc{"signature_prefix", "The text before the signature, such as sha256="},
      config::Doc{"signature_encoding", "The signature's encoding: hex or base64"},
      config::Doc{"timestamp_header",
                  "The header with the time of signing; then the time, a dot and the body "
                  "are signed; empty: only the body"},
      config::Doc{"tolerance", "How far that time may be from now; above: 401", 1, 86400},
      config::Doc{"unsigned_allowed",
                  "Accepts requests without checking the signature: for networks that "
                  "only the provider can reach"},
  };

  /// The rule for signatures; without secrets when none is set.
  SignatureRule rule() const {
    SignatureRule rule{{}, signature_header, signature_prefix, signature_encoding, timestamp_header, tolerance};
    for (auto const* one : {&secret, &secret_previous})
      if (!one->empty()) rule.secrets.push_back(one->reveal());
    return rule;
  }
};
BOOST_DESCRIBE_STRUCT(SignedWebhookSettings, (),
                      (secret, secret_previous, signature_header, signature_prefix, signature_encoding,
                       timestamp_header, tolerance, unsigned_allowed))

struct WhatsappWebhookSettings {
  Secret app_secret;
  Secret app_secret_previous;
  Secret verify_token;
  std::string phone_number_id;

  static constexpr std::array docs{
      config::Doc{"app_secret", "Secret of the Meta app, which signs its webhooks; empty: answered 503"},
      config::Doc{"app_secret_previous", "The previous secret, also accepted while it is being replaced"},
      config::Doc{"verify_token", "The token that Meta must send in the webhook handshake; empty: answered 503"},
      config::Doc{"phone_number_id", "Accept only events about this number of ours; empty: about any"},
  };

  SignatureRule rule() const {
    SignatureRule rule{{}, "X-Hub-Signature-256", "sha256="};
    for (auto const* one : {&app_secret, &app_secret_previous})
      if (!one->empty()) rule.secrets.push_back(one->reveal());
    return rule;
  }
};
BOOST_DESCRIBE_STRUCT(WhatsappWebhookSettings, (), (app_secret, app_secret_previous, verify_token, phone_number_id))

struct TwilioWebhookSettings {
  Secret auth_token;
  std::string webhook_base_url;

  static constexpr std::array docs{
      config::Doc{"auth_token", "Token of the account, which signs its webhooks; empty: answered 503"},
      config::Doc{"webhook_base_url",
                  "Address at which Twilio reaches this gateway, without /webhooks: it signs the full URL"},
  };
};
BOOST_DESCRIBE_STRUCT(TwilioWebhookSettings, (), (auth_token, webhook_base_url))

/// All settings of the webhooks.
struct WebhookSettings {
  static constexpr std::string_view prefix = "";
  std::string webhook_domain;
  std::string webhook_region = "RW";
  Secret profile_key_secret;
  Secret profile_key_secret_previous;
  std::chrono::milliseconds webhook_longest_age{691'200'000};
  std::chrono::milliseconds webhook_remembered{86'400'000};
  SignedWebhookSettings calls_webhook;
  SignedWebhookSettings mtn_webhook;
  WhatsappWebhookSettings whatsapp;
  TwilioWebhookSettings twilio;
  senders::SenderSettings senders;

  static constexpr std::array docs{
      config::Doc{
          "webhook_domain",
          "The tenant of the calls, and of messages to a number that is no tenant's own (omnibus tenant sender); "
          "empty: they are answered 503"},
      config::Doc{"webhook_region", "The country of phone numbers without a country code, such as RW"},
      config::Doc{"profile_key_secret",
                  "Hashes phone numbers into Kafka keys; at least 16 bytes, the same on every "
                  "gateway, and never changed, as it determines the keys' order"},
      config::Doc{"profile_key_secret_previous",
                  "The secret before the last change: requests about a person name them under both"},
      config::Doc{"webhook_longest_age",
                  "A message or receipt whose own time is older is a replay and passed over; Meta repeats for 7 days",
                  60, 31'536'000},
      config::Doc{"webhook_remembered",
                  "How long a gateway remembers the ids of events from webhooks, at most 100,000: a repeated one is "
                  "answered and not published again",
                  0, 31'536'000},
  };
};
BOOST_DESCRIBE_STRUCT(WebhookSettings, (),
                      (webhook_domain, webhook_region, profile_key_secret, profile_key_secret_previous,
                       webhook_longest_age, webhook_remembered, calls_webhook, mtn_webhook, whatsapp, twilio, senders))

}  // namespace omnibus::gateway
