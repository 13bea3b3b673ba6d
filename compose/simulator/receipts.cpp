#include "compose/simulator/receipts.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/message_wire.hpp"

#include <stdexcept>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::simulator {
namespace {

using std::chrono::milliseconds;

constexpr int most_attempts = 10;
constexpr std::uint64_t most_pending = 200'000;

}  // namespace

Receipts::Receipts(boost::asio::io_context& context, ReceiptSettings settings, std::uint64_t seed)
    : context_(context),
      settings_(std::move(settings)),
      undeliverable_(settings_.undeliverable),
      seed_(seed),
      client_(context) {
  if (settings_.webhooks.empty()) return;
  while (settings_.webhooks.ends_with('/')) settings_.webhooks.pop_back();
  if (!http::parse_url(settings_.webhooks + "/"))
    throw std::invalid_argument("not an http(s) address for receipts: " + settings_.webhooks);
}

void Receipts::follow(Acceptance const& acceptance) {
  if (settings_.webhooks.empty()) return;
  auto const fails = undeliverable_.holds_for(acceptance.order.recipient, "undeliverable");
  if (acceptance.order.provider == "whatsapp") {
    for (auto const* status : {"sent", "delivered", "read"}) {
      auto const last = fails && std::string_view(status) == "delivered";
      auto const body = whatsapp_status(acceptance, acceptance.order.sender, last ? "failed" : status);
      schedule(settings_.webhooks + "/webhooks/whatsapp", body, "application/json",
               {"X-Hub-Signature-256", "sha256=" + sign(settings_.whatsapp_secret, body)});
      if (last) break;
    }
  } else if (acceptance.order.provider == "mtn") {
    auto const body = mtn_receipt(acceptance, fails ? "UNDELIVERED" : "DELIVERED");
    schedule(settings_.webhooks + "/webhooks/sms/receipts", body, "application/json",
             {settings_.sms_header, settings_.sms_prefix + sign(settings_.sms_secret, body)});
  } else if (acceptance.order.callback.starts_with(settings_.webhooks + "/")) {
    for (auto const* status : {"sent", fails ? "undelivered" : "delivered"}) {
      auto const callback = twilio_callback(acceptance, status, settings_.twilio_token);
      schedule(acceptance.order.callback, callback.body, "application/x-www-form-urlencoded",
               {"X-Twilio-Signature", callback.signature});
    }
  }
}

void Receipts::schedule(std::string const& address, std::string const& body, char const* type,
                        http::Headers::Field signature) {
  auto const url = http::parse_url(address);
  if (!url) return;
  http::ClientRequest request;
  request.method = "POST";
  request.url = *url;
  request.headers.add("Content-Type", type);
  request.headers.add(std::move(signature.first), std::move(signature.second));
  request.body = body;
  request.deadline = std::chrono::seconds(10);
  request.max_response_bytes = 64 * 1024;
  auto const draw = static_cast<double>(stable_hash(std::to_string(++drawn_), seed_) >> 11) * 0x1p-53;
  if (draw < settings_.twice) {
    ++counts_.twice;
    start(request);
  }
  start(std::move(request));
}

void Receipts::start(http::ClientRequest request) {
  if (counts_.pending >= most_pending) {
    ++counts_.given_up;
    return;
  }
  ++counts_.pending;
  auto after = settings_.delay;
  if (settings_.spread.count() > 0) {
    auto const draw =
        stable_hash(std::to_string(++drawn_), seed_ ^ 1) % (static_cast<std::uint64_t>(settings_.spread.count()) + 1);
    after += milliseconds(static_cast<std::int64_t>(draw));
  }
  boost::asio::co_spawn(context_, deliver(std::move(request), after), boost::asio::detached);
}

Task<> Receipts::deliver(http::ClientRequest request, milliseconds after) {
  boost::asio::steady_timer timer(context_);
  auto taken = false;
  for (auto attempt = 1; attempt <= most_attempts && !taken; ++attempt) {
    timer.expires_after(after);
    auto waiting = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(waiting);
    after = milliseconds(50) * (1 << attempt);
    try {
      auto posting = client_.fetch(request);
      auto const answer = co_await std::move(posting);
      taken = answer.status >= 200 && answer.status < 300;
    } catch (http::ClientError const&) {
      // The gateway is away: once more, later.
    }
  }
  --counts_.pending;
  ++(taken ? counts_.sent : counts_.given_up);
}

}  // namespace omnibus::simulator
