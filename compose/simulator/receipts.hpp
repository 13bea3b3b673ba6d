/// Delivery receipts, sent to the gateway as providers send them: late, twice and out of order.
#pragma once

#include "compose/simulator/send_book.hpp"
#include "http/client.hpp"

#include <chrono>
#include <cstdint>
#include <string>

#include <boost/asio/io_context.hpp>

namespace omnibus::simulator {

struct ReceiptSettings {
  std::string webhooks;                    ///< base URL of the gateway; empty: no receipts
  std::string whatsapp_secret;             ///< signs X-Hub-Signature-256
  std::string twilio_token;                ///< signs X-Twilio-Signature
  std::string sms_secret;                  ///< signs those of MTN
  std::string sms_header = "X-Signature";  ///< that has the signature
  std::string sms_prefix;                  ///< the text before it
  std::chrono::milliseconds delay{20};     ///< after the acceptance
  std::chrono::milliseconds spread{0};     ///< each up to so much later, which changes their order
  double twice = 0;                        ///< share of receipts that are sent twice
  std::string undeliverable;               ///< PeopleRule: their messages are accepted and do not arrive
};

/// Sends receipts to the gateway, and retries each with back-off until it is accepted or ten attempts have
/// failed. Use it on the one thread of its context, which must outlive it.
class Receipts {
 public:
  /// @throws std::invalid_argument when the address is invalid
  Receipts(boost::asio::io_context& context, ReceiptSettings settings, std::uint64_t seed);

  /// All reports for an accepted message.
  void follow(Acceptance const& acceptance);

  struct Counts {
    std::uint64_t sent = 0;   ///< and accepted with 2xx
    std::uint64_t twice = 0;  ///< of these, deliberate repetitions
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
