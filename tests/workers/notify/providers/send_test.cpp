#include "tests/workers/notify/providers/provider_peer.hpp"

#include <array>

#include <doctest/doctest.h>

namespace omnibus::notify {
namespace {

constexpr std::array providers{"whatsapp", "mtn", "twilio"};

/// A fault that strikes that provider's messages only, not what it is asked besides.
std::string of(std::string_view provider, std::string_view fault) {
  if (fault.empty()) return {};
  auto const* const joint = fault.find(':') == std::string_view::npos ? ":provider=" : ",provider=";
  return std::string(fault).append(joint).append(provider);
}

}  // namespace

TEST_CASE("a message is taken once, under its effect key, and the answer names it") {
  for (auto const* name : providers) {
    CAPTURE(name);
    ProviderPeer peer;
    auto const message = a_message();
    auto const result = peer.send(name, message);
    REQUIRE(told(result) == "accepted");
    CHECK_FALSE(std::get<Accepted>(result).provider_message_id.empty());
    auto stats = peer.stats("?key=" + to_string(message.effect_key) + "&recipient=%2B250788000001");
    CHECK(stats["acceptances"] == 1);
    CHECK(stats["recipient"] == boost::json::object{{"accepted", 1}});
    auto const by_key = std::string_view(name) == "twilio" ? 0 : 1;  // it knows no keys
    CHECK(stats["key"] == boost::json::object{{"accepted", by_key}});
  }
}

TEST_CASE("what may have been taken is unknown, and what certainly was not is refused") {
  struct Case {
    char const* faults;
    char const* result;
    int acceptances;
  };
  for (auto const* name : providers) {
    auto const too_many = std::string("throttled ") + (std::string_view(name) == "whatsapp" ? "130429"
                                                       : std::string_view(name) == "mtn"    ? "http_429"
                                                                                            : "20429");
    for (auto const& each : {
             Case{"", "accepted", 1},
             Case{"latency:ms=50", "accepted", 1},
             Case{"latency:ms=700", "unknown", 1},
             Case{"accept_hang:ms=700", "unknown", 1},
             Case{"accept_reset", "unknown", 1},
             Case{"accept_error", "unknown", 1},
             Case{"accept_garbage", "unknown", 1},
             Case{"error", "unknown", 0},
             Case{"reset", "unknown", 0},
             Case{"503", "unknown", 0},
             Case{"error:status=408", "unknown", 0},
             Case{"error:status=400", "permanent http_400", 0},
             Case{"error:status=404", "transient http_404 of the provider", 0},
             Case{"rate_limit:retry_after=7", too_many.c_str(), 0},
         }) {
      CAPTURE(name);
      CAPTURE(each.faults);
      ProviderPeer peer(of(name, each.faults));
      auto const result = peer.send(name, a_message());
      CHECK(told(result) == each.result);
      CHECK(peer.stats()["acceptances"] == each.acceptances);
      if (std::string_view(each.faults).starts_with("rate_limit")) {
        CHECK(std::get<Refused>(result).retry_after == std::chrono::seconds(7));
      }
    }
  }
}

TEST_CASE("a provider that is not there has taken nothing") {
  for (auto const* name : providers) {
    CAPTURE(name);
    ProviderPeer peer;
    auto const sender = peer.provider(name);
    peer.server.reset();
    auto const result = run(peer.context, sender->send(a_message()));
    auto const code = std::string_view(name) == "mtn" ? "no_token" : "not_connected";
    CHECK(told(result) == std::string("transient ") + code + " of the provider");
  }
}

TEST_CASE("a provider with which no secure connection comes about has taken nothing") {
  ProviderPeer peer;
  auto settings = peer.whatsapp_settings();
  settings.base_url.replace(0, 4, "https");  // of a server that speaks plain HTTP
  WhatsAppCloud whatsapp(peer.client, settings, ProviderPeer::deadline);
  auto const message = a_message();
  CHECK(told(run(peer.context, whatsapp.send(message))) == "transient not_connected of the provider");
  CHECK(peer.stats()["acceptances"] == 0);
}

TEST_CASE("a message that cannot be one is refused before anything is sent") {
  for (auto const* name : providers) {
    CAPTURE(name);
    ProviderPeer peer;
    for (auto const* recipient : {"", "+", "0788000001", "+0788000001", "+25078800000199999", "+2507880000x1",
                                  "+250788000001\r\nX: y", "RW.", "250788@s.whatsapp.net"}) {
      CAPTURE(recipient);
      CHECK(told(peer.send(name, a_message(recipient))) == "permanent invalid_message");
    }
    CHECK(told(peer.send(name, a_message("+250788000001", ""))) == "permanent invalid_message");
    CHECK(peer.stats()["requests"] == 0);
  }
}

TEST_CASE("a person whom WhatsApp cannot reach is refused for good, one outside the window gets a template") {
  simulator::MessagingSettings people;
  people.no_whatsapp = "*9";
  people.outside_window = "*7";
  ProviderPeer peer({}, people);
  CHECK(told(peer.send("whatsapp", a_message("+250788000009"))) == "permanent 131026");
  auto message = a_message("+250788000007");
  CHECK(told(peer.send("whatsapp", message)) == "permanent 131047");
  message.content_template = Template{"call_summary", "en", {"Bob", "250k"}};
  CHECK(told(peer.send("whatsapp", message)) == "accepted");
  CHECK(told(peer.send("whatsapp", a_message("RW.a1B2"))) == "accepted");
  CHECK(told(peer.send("mtn", a_message("+250788000009"))) == "accepted");
}

TEST_CASE("a message sent again under its key is recognised by a provider that honours it, and only by that one") {
  for (auto const honoured : {true, false}) {
    simulator::MessagingSettings settings;
    settings.honour_key = honoured;
    ProviderPeer peer(of("mtn", "accept_reset:times=1"), settings);
    auto const message = a_message();
    CHECK(told(peer.send("mtn", message)) == "unknown");
    CHECK(told(peer.send("mtn", message)) == "accepted");
    auto stats = peer.stats();
    CHECK(stats["acceptances"] == (honoured ? 1 : 2));
    CHECK(stats["duplicates"] == (honoured ? 0 : 1));
    CHECK(stats["recognised"] == (honoured ? 1 : 0));
  }
}

}  // namespace omnibus::notify
