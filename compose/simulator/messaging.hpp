/// Message providers for demo and tests: they accept messages, count them, send receipts, and fail as configured.
#pragma once

#include "compose/simulator/faults.hpp"
#include "compose/simulator/message_wire.hpp"
#include "compose/simulator/receipts.hpp"
#include "compose/simulator/send_book.hpp"
#include "concurrency/task.hpp"
#include "http/router.hpp"

#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace omnibus::simulator {

struct MessagingSettings {
  std::chrono::milliseconds latency{50};  ///< before an answer
  bool honour_key = false;                ///< a known key is accepted only once
  std::string no_whatsapp;                ///< PeopleRule: refused with 131026
  std::string outside_window;             ///< PeopleRule: refused with 131047 unless from a template
  std::chrono::seconds token_lifetime{3599};
  std::uint64_t seed = 0;
  std::vector<SendFaultRule> faults;
  ReceiptSettings receipts;
};

/// Serves WhatsApp's Cloud API (POST /{version}/{phone_number_id}/messages), MTN's token and SMS v3 endpoints, and
/// Twilio's Messages (POST and GET). For tests: GET /_simulator/sends (with `?key=...`, `?recipient=...` the counts of
/// one, with `?keys=1` of every key) and DELETE, POST and DELETE /_simulator/send-faults, POST /_simulator/people
/// ({"no_whatsapp": "*99", "outside_window": "0.1", "honour_key": false, "latency_ms": 5}, each optional), DELETE
/// /_simulator/tokens to revoke MTN's. Use it on the one thread of its context; it must outlive its router's server.
class Messaging {
 public:
  /// @throws std::invalid_argument for a rule that cannot be read
  Messaging(boost::asio::io_context& context, MessagingSettings settings);

  void add_routes(http::Router& router);

 private:
  /// One provider's responses.
  struct Side {
    char const* name;
    OrderOrRefusal (*read)(http::Request const&);
    http::Response (*taken)(Acceptance const&);
    http::Response (*too_many)();
  };
  Task<> serve(Side side, http::Request const& request, http::Stream& stream);
  Task<> serve_mtn(http::Request const& request, http::Stream& stream);
  Task<> answer(http::Stream& stream, std::string outcome, http::Response response);
  /// WhatsApp's error for this person; nothing when there is none.
  std::optional<http::Response> refusal_of_person(SubmittedMessage const& order) const;
  Task<http::Response> grant_token(http::Request const& request);
  Task<http::Response> list(http::Request const& request);
  Task<http::Response> stats(http::Request const& request);
  Task<http::Response> set_people(http::Request const& request);

  MessagingSettings settings_;
  PeopleRule no_whatsapp_;
  PeopleRule outside_window_;
  SendFaultPlan faults_;
  SendBook book_;
  Receipts receipts_;
  std::uint64_t requests_ = 0;
  std::uint64_t in_flight_ = 0;
  std::uint64_t most_in_flight_ = 0;
  std::uint64_t tokens_granted_ = 0;
  std::map<std::string, std::uint64_t> outcomes_;
  std::unordered_map<std::string, std::chrono::steady_clock::time_point> tokens_;  ///< expiry
};

}  // namespace omnibus::simulator
