/// Settings of the webhooks.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "workers/gateway/webhooks/signature.hpp"

#include <array>
#include <chrono>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {

/// How the requests of one provider are signed, where that is the provider's to choose.
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
      config::Doc{"secret", "Signs requests with HMAC-SHA256; empty: they are answered 503"},
      config::Doc{"secret_previous", "Signs them, too, for as long as the secret is being replaced"},
      config::Doc{"signature_header", "The header with the signature"},
      config::Doc{"signature_prefix", "What is before it there, such as sha256="},
      config::Doc{"signature_encoding", "How it is written: hex or base64"},
      config::Doc{"timestamp_header",
                  "A header with the time of signing, which is then signed before the body with a "
                  "dot between; empty: the body alone is"},
      config::Doc{"tolerance", "How far that time may be from now; then 401", 1, 86400},
      config::Doc{"unsigned_allowed",
                  "Takes requests of anybody, without a look at signatures: for networks that "
                  "only the provider reaches"},
  };

  /// The rule they follow; without secrets when none is set.
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
      config::Doc{"app_secret",
                  "Secret of the Meta app, by which its webhooks are signed; empty: they are answered 503"},
      config::Doc{"app_secret_previous", "Signs them, too, for as long as the secret is being replaced"},
      config::Doc{"verify_token", "What Meta must say in the handshake of the webhook; empty: it is answered 503"},
      config::Doc{"phone_number_id", "Only what is about this number of ours is taken; empty: about any"},
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
      config::Doc{"auth_token", "Token of the account, by which its webhooks are signed; empty: they are answered 503"},
      config::Doc{"webhook_base_url",
                  "Where Twilio reaches this gateway, ending before /webhooks: it signs the whole address"},
  };
};
BOOST_DESCRIBE_STRUCT(TwilioWebhookSettings, (), (auth_token, webhook_base_url))

/// Everything that webhooks can be told.
struct WebhookSettings {
  static constexpr std::string_view prefix = "";
  std::string webhook_domain;
  std::string webhook_region = "RW";
  Secret profile_key_secret;
  SignedWebhookSettings calls_webhook;
  SignedWebhookSettings mtn_webhook;
  WhatsappWebhookSettings whatsapp;
  TwilioWebhookSettings twilio;

  static constexpr std::array docs{
      config::Doc{"webhook_domain",
                  "The tenant that all webhooks of this gateway belong to; empty: they are answered 503"},
      config::Doc{"webhook_region", "Where phone numbers without a country code are dialled, as RW"},
      config::Doc{"profile_key_secret",
                  "Hashes phone numbers into Kafka keys; at least 16 bytes, the same on every "
                  "gateway, and never changed: the order within a key hangs on it"},
  };
};
BOOST_DESCRIBE_STRUCT(WebhookSettings, (),
                      (webhook_domain, webhook_region, profile_key_secret, calls_webhook, mtn_webhook, whatsapp,
                       twilio))

}  // namespace omnibus::gateway
