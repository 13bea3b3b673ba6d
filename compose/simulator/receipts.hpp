/// Delivery receipts, sent back to the gateway as providers send them: late, twice and out of order.
#pragma once

#include "compose/simulator/send_book.hpp"
#include "http/client.hpp"

#include <chrono>
#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>

namespace omnibus::simulator {

struct ReceiptSettings {
  std::string webhooks;                    ///< base URL of the gateway; empty: none are sent
  std::string whatsapp_secret;             ///< signs X-Hub-Signature-256
  std::string twilio_token;                ///< signs X-Twilio-Signature
  std::string sms_secret;                  ///< signs those of MTN
  std::string sms_header = "X-Signature";  ///< that has the signature
  std::string sms_prefix;                  ///< before it
  std::chrono::milliseconds delay{20};     ///< from the acceptance on
  std::chrono::milliseconds spread{0};     ///< each up to so much later: this shuffles them
  double twice = 0;                        ///< share of those that are sent once more
  std::string undeliverable;               ///< PeopleRule: whose messages are accepted and do not arrive
};

/// Sends receipts, to the gateway and nowhere else, and repeats each until it is taken or ten times in vain, with
/// back-off. Belongs to the one thread of its context, which must outlive it.
class Receipts {
 public:
  /// @throws std::invalid_argument when the address is none
  Receipts(boost::asio::io_context& context, ReceiptSettings settings, std::uint64_t seed);

  /// Everything that is to be told of a message that was taken.
  void follow(Acceptance const& acceptance);

  struct Counts {
    std::uint64_t sent = 0;   ///< and taken with 2xx
    std::uint64_t twice = 0;  ///< of these, repetitions made on purpose
    std::uint64_t pending = 0;
    std::uint64_t given_up = 0;
  };
  Counts counts() const { return counts_; }

 private:
  void schedule(std::string const& address, std::string const& body, char const* type, http::Headers::Field signature);
  void start(http::ClientRequest request);
  Task<> deliver(http::ClientRequest request, std::chrono::milliseconds after);

  boost::asio::io_context& context_;
  ReceiptSettings settings_;
  PeopleRule undeliverable_;
  std::uint64_t seed_;
  std::uint64_t drawn_ = 0;
  Counts counts_;
  http::Client client_;
};

}  // namespace omnibus::simulator
