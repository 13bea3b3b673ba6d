#include "compose/simulator/messaging.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/in_flight.hpp"
#include "http/form.hpp"

#include <algorithm>
#include <charconv>
#include <random>
#include <stdexcept>

#include <boost/describe/enum_to_string.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

using std::chrono::milliseconds;
using Clock = std::chrono::steady_clock;

http::Response nothing() {
  return {204, {}, {}};
}

/// The response of a proxy in front of the provider: without any word about the message.
http::Response bare_error(std::int64_t status) {
  return http::text_response(static_cast<int>(status), "<html><body>upstream error</body></html>", "text/html");
}

}  // namespace

Messaging::Messaging(boost::asio::io_context& context, MessagingSettings settings)
    : settings_(std::move(settings)),
      no_whatsapp_(settings_.no_whatsapp),
      outside_window_(settings_.outside_window),
      faults_(settings_.faults, settings_.seed),
      book_(std::random_device{}()),
      receipts_(context, settings_.receipts, settings_.seed) {}

void Messaging::add_routes(http::Router& router) {
  auto const bind = [this](auto member) {
    return [this, member](http::Request const& request) { return (this->*member)(request); };
  };
  Side const whatsapp{"whatsapp", &read_whatsapp_order, &whatsapp_taken,
                      [] { return whatsapp_error(429, 130429, "Rate limit hit"); }};
  Side const twilio{"twilio", &read_twilio_order, &twilio_taken,
                    [] { return twilio_error(429, 20429, "Too Many Requests"); }};
  router.add_stream("POST", "/{version}/{phone_number_id}/messages",
                    [this, whatsapp](auto const& request, auto& stream) { return serve(whatsapp, request, stream); });
  router.add_stream("POST", "/2010-04-01/Accounts/{account}/Messages.json",
                    [this, twilio](auto const& request, auto& stream) { return serve(twilio, request, stream); });
  router.add_stream("POST", "/v3/sms/messages/sms/outbound",
                    [this](auto const& request, auto& stream) { return serve_mtn(request, stream); });
  router.get("/2010-04-01/Accounts/{account}/Messages.json", bind(&Messaging::list));
  router.post("/v1/oauth/access_token/accesstoken", bind(&Messaging::grant_token));
  router.get("/_simulator/sends", bind(&Messaging::stats));
  router.post("/_simulator/people", bind(&Messaging::set_people));
  auto const forget = [this](http::Request const&) -> Task<http::Response> {
    requests_ = most_in_flight_ = tokens_granted_ = 0;
    outcomes_.clear();
    book_ = SendBook(std::random_device{}());
    co_return nothing();
  };
  router.add("DELETE", "/_simulator/sends", forget);
  router.add("DELETE", "/_simulator/tokens", [this](http::Request const&) -> Task<http::Response> {
    tokens_.clear();
    co_return nothing();
  });
  router.post("/_simulator/send-faults", [this](http::Request const& request) -> Task<http::Response> {
    http::Response response;
    try {
      faults_ = SendFaultPlan(parse_fault_rules<SendFaultKind>(request.body), settings_.seed);
      response = http::json_response(200, boost::json::serialize(boost::json::object{{"rules", faults_.size()}}));
    } catch (std::invalid_argument const& error) {
      response = http::problem(422, {}, error.what(), "rules");
    }
    co_return response;
  });
  router.add("DELETE", "/_simulator/send-faults", [this](http::Request const&) -> Task<http::Response> {
    faults_ = SendFaultPlan();
    co_return nothing();
  });
}

Task<> Messaging::answer(http::Stream& stream, std::string outcome, http::Response response) {
  ++outcomes_[outcome];
  return stream.respond(std::move(response));
}

Task<> Messaging::serve_mtn(http::Request const& request, http::Stream& stream) {
  auto const token = tokens_.find(std::string(credential(request, "Bearer")));
  if (token == tokens_.end() || token->second <= Clock::now()) {
    auto answering = answer(stream, "unauthorized", mtn_error(401, "4010", "Invalid access token"));
    co_await std::move(answering);
    co_return;
  }
  Side const mtn{"mtn", &read_mtn_order, &mtn_taken, [] { return mtn_error(429, "4290", "Too many requests"); }};
  auto serving = serve(mtn, request, stream);
  co_await std::move(serving);
}

Task<> Messaging::serve(Side side, http::Request const& request, http::Stream& stream) {
  ++requests_;
  InFlight const counted(in_flight_, most_in_flight_);
  auto read = side.read(request);
  auto* const order = std::get_if<SubmittedMessage>(&read);
  if (order == nullptr) {
    auto refusing = answer(stream, "refused", std::get<http::Response>(std::move(read)));
    co_await std::move(refusing);
    co_return;
  }
  // A copy: the rules may be replaced while this request waits.
  auto const* const struck = faults_.next(order->text, side.name);
  auto const fault = struck != nullptr ? std::optional(*struck) : std::nullopt;
  auto const is = [&](SendFaultKind kind) { return fault && fault->kind == kind; };
  auto const latency = settings_.latency + milliseconds(is(SendFaultKind::latency) ? fault->ms.value_or(1000) : 0);
  if (latency.count() > 0) {
    auto waiting = stream.wait(latency);
    co_await std::move(waiting);
  }
  std::string const outcome = fault ? boost::describe::enum_to_string(fault->kind, "unknown") : "ok";
  std::optional<http::Response> response;
  if (is(SendFaultKind::rate_limit)) {
    response = side.too_many();
    response->headers.add("Retry-After", std::to_string(fault->retry_after));
  } else if (is(SendFaultKind::error)) {
    response = bare_error(fault->status);
  } else if (is(SendFaultKind::reset)) {
    ++outcomes_[outcome];
    stream.reset();
    co_return;
  } else if (auto refused = refusal_of_person(*order)) {
    auto refusing = answer(stream, "person", std::move(*refused));
    co_await std::move(refusing);
    co_return;
  }
  if (response) {
    auto answering = answer(stream, outcome, std::move(*response));
    co_await std::move(answering);
    co_return;
  }
  auto const taken_before = book_.acceptances();
  auto const& acceptance = book_.take(std::move(*order), settings_.honour_key, std::chrono::system_clock::now());
  if (book_.acceptances() > taken_before) receipts_.follow(acceptance);
  response = side.taken(acceptance);
  if (is(SendFaultKind::accept_error)) response = bare_error(fault->status);
  if (is(SendFaultKind::accept_garbage)) response = http::text_response(200, "OK");
  if (is(SendFaultKind::accept_reset)) {
    ++outcomes_[outcome];
    stream.reset();
    co_return;
  }
  if (is(SendFaultKind::accept_hang)) {
    ++outcomes_[outcome];
    auto hanging = stream.wait(milliseconds(fault->ms.value_or(60'000)));
    co_await std::move(hanging);
    stream.reset();
    co_return;
  }
  auto answering = answer(stream, outcome, std::move(*response));
  co_await std::move(answering);
}

std::optional<http::Response> Messaging::refusal_of_person(SubmittedMessage const& order) const {
  if (order.provider != "whatsapp") return std::nullopt;
  if (no_whatsapp_.holds_for(order.recipient, "no_whatsapp")) {
    return whatsapp_error(400, 131026, "Message undeliverable");
  }
  if (!order.from_template && outside_window_.holds_for(order.recipient, "outside_window")) {
    return whatsapp_error(400, 131047, "Re-engagement message: more than 24 hours have passed");
  }
  return std::nullopt;
}

Task<http::Response> Messaging::grant_token(http::Request const& request) {
  std::string id;
  std::string secret;
  for (auto const& [name, value] : http::read_form(request.body).value_or(http::Form{})) {
    if (name == "client_id") id = value;
    if (name == "client_secret") secret = value;
  }
  auto const* const fault = faults_.next({}, "mtn_token");
  if (fault != nullptr) co_return bare_error(fault->kind == SendFaultKind::rate_limit ? 429 : fault->status);
  auto const asked = request.query_value("grant_type") == "client_credentials";
  if (!asked || id.empty() || secret.empty()) co_return mtn_error(401, "4010", "Invalid client credentials");
  auto const now = Clock::now();
  std::erase_if(tokens_, [&](auto const& token) { return token.second <= now; });
  auto token = fmt::format("simulated-{}-{:016x}", ++tokens_granted_, stable_hash(id, settings_.seed));
  tokens_.emplace(token, now + settings_.token_lifetime);
  co_return mtn_token(token, settings_.token_lifetime);
}

Task<http::Response> Messaging::list(http::Request const& request) {
  if (credential(request, "Basic").empty()) co_return twilio_error(401, 20003, "Authenticate");
  std::size_t most = 50;
  if (auto const size = request.query_value("PageSize")) {
    std::from_chars(size->data(), size->data() + size->size(), most);
  }
  auto const found = book_.list("twilio", request.query_value("To").value_or(""),
                                request.query_value("From").value_or(""), std::clamp<std::size_t>(most, 1, 1000));
  co_return twilio_list(found);
}

Task<http::Response> Messaging::stats(http::Request const& request) {
  boost::json::object body;
  body["requests"] = requests_;
  body["in_flight"] = in_flight_;
  body["most_in_flight"] = most_in_flight_;
  body["acceptances"] = book_.acceptances();
  body["duplicates"] = book_.duplicates();
  body["recognised"] = book_.recognised();
  body["tokens_granted"] = tokens_granted_;
  auto const fill = [&](char const* name, auto const& counts) {
    auto& object = body[name].emplace_object();
    for (auto const& [key, count] : counts) object[key] = count;
  };
  fill("providers", book_.by_provider());
  fill("outcomes", outcomes_);
  auto const receipts = receipts_.counts();
  body["receipts"] = {{"sent", receipts.sent},
                      {"twice", receipts.twice},
                      {"pending", receipts.pending},
                      {"given_up", receipts.given_up}};
  if (auto const key = request.query_value("key")) body["key"] = {{"accepted", book_.accepted_of_key(*key)}};
  if (auto const recipient = request.query_value("recipient")) {
    body["recipient"] = {{"accepted", book_.accepted_for(*recipient)}};
  }
  if (request.query_value("keys")) fill("keys", book_.by_key());
  co_return http::json_response(200, boost::json::serialize(body));
}

Task<http::Response> Messaging::set_people(http::Request const& request) {
  http::Response response = nothing();
  try {
    boost::json::error_code error;
    auto const document = boost::json::parse(request.body, error);
    if (error || !document.is_object()) throw std::invalid_argument("an object is needed");
    for (auto const& field : document.get_object()) {
      auto const name = std::string_view(field.key().data(), field.key().size());
      auto const& value = field.value();
      auto const text = value.is_string() ? std::string(value.get_string().c_str()) : boost::json::serialize(value);
      if (name == "no_whatsapp") {
        no_whatsapp_ = PeopleRule(text);
      } else if (name == "outside_window") {
        outside_window_ = PeopleRule(text);
      } else if (name == "honour_key" && value.is_bool()) {
        settings_.honour_key = value.get_bool();
      } else if (name == "latency_ms" && value.is_int64() && value.get_int64() >= 0) {
        settings_.latency = milliseconds(value.get_int64());
      } else {
        throw std::invalid_argument(fmt::format("'{}' has an invalid value", name));
      }
    }
  } catch (std::invalid_argument const& error) {
    response = http::problem(422, {}, error.what());
  }
  co_return response;
}

}  // namespace omnibus::simulator
