/// The simulated providers and our clients of them on one event loop.
#pragma once

#include "compose/simulator/messaging.hpp"
#include "http/server.hpp"
#include "tests/workers/notify/run.hpp"
#include "workers/notify/providers/mtn_sms.hpp"
#include "workers/notify/providers/twilio_sms.hpp"
#include "workers/notify/providers/whatsapp_cloud.hpp"

#include <optional>
#include <string>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/json.hpp>

namespace omnibus::notify {

inline OutboundMessage a_message(std::string recipient = "+250788000001", std::string text = "Your call's summary") {
  OutboundMessage message;
  message.effect_key = random_uuid();
  message.recipient = std::move(recipient);
  message.text = std::move(text);
  return message;
}

struct ProviderPeer {
  static constexpr std::chrono::milliseconds deadline{400};

  explicit ProviderPeer(std::string_view faults = {}, simulator::MessagingSettings settings = {})
      : messaging(context, with(faults, std::move(settings))) {
    http::Router router;
    messaging.add_routes(router);
    server.emplace(context.get_executor(), http::ServerSettings{}, std::move(router));
    server->start();
  }
  static simulator::MessagingSettings with(std::string_view faults, simulator::MessagingSettings settings) {
    settings.latency = std::chrono::milliseconds(0);
    settings.faults = simulator::parse_faults<simulator::SendFaultKind>(faults);
    return settings;
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server->port()); }

  WhatsAppSettings whatsapp_settings() const {
    WhatsAppSettings settings;
    settings.base_url = url() + "/v23.0";
    settings.access_token = Secret("token");
    settings.phone_number_id = "1055";
    return settings;
  }
  MtnSmsSettings mtn_settings() const {
    MtnSmsSettings settings;
    settings.base_url = url();
    settings.api_key = Secret("key");
    settings.api_secret = Secret("secret");
    return settings;
  }
  TwilioSettings twilio_settings() const {
    TwilioSettings settings;
    settings.base_url = url();
    settings.account_sid = "AC1";
    settings.auth_token = Secret("secret");
    settings.from = "+15550001111";
    return settings;
  }
  std::unique_ptr<Provider> provider(std::string_view name) {
    if (name == "whatsapp") return std::make_unique<WhatsAppCloud>(client, whatsapp_settings(), deadline);
    if (name == "mtn") return std::make_unique<MtnSms>(client, mtn_settings(), 0, deadline);
    return std::make_unique<TwilioSms>(client, twilio_settings(), 0, deadline);
  }
  SendResult send(std::string_view name, OutboundMessage const& message) {
    auto const sender = provider(name);
    return run(context, sender->send(message));
  }

  http::Response fetch(std::string method, std::string const& path, std::string body = {}) {
    http::ClientRequest request;
    request.method = std::move(method);
    request.url = http::parse_url(url() + path).value();
    request.body = std::move(body);
    return run(context, client.fetch(request));
  }
  /// Once no request is under way any more: one whose sender has left is noticed a little later.
  boost::json::object stats(std::string const& query = {}) {
    while (true) {
      auto stats = boost::json::parse(fetch("GET", "/_simulator/sends" + query).body).as_object();
      if (stats["in_flight"] == 0) return stats;
    }
  }

  boost::asio::io_context context;
  simulator::Messaging messaging;
  std::optional<http::Server> server;
  http::Client client{context};
};

/// A result in one word, and what distinguishes it.
inline std::string told(SendResult const& result) {
  if (std::holds_alternative<Accepted>(result)) return "accepted";
  if (std::holds_alternative<Unknown>(result)) return "unknown";
  auto const& refused = std::get<Refused>(result);
  auto const* const kind = refused.kind == Refused::Kind::permanent   ? "permanent "
                           : refused.kind == Refused::Kind::throttled ? "throttled "
                                                                      : "transient ";
  return kind + refused.code + (refused.of_provider ? " of the provider" : "");
}

}  // namespace omnibus::notify
