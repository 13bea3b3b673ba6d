/// The messages that a simulated provider has accepted, with counts: the proof of what was sent. Pure.
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace omnibus::simulator {

/// A message in a request to a provider.
struct SubmittedMessage {
  std::string provider;   ///< whatsapp, mtn or twilio
  std::string key;        ///< the sender's key for it; empty if the provider knows none
  std::string recipient;  ///< in E.164, or a WhatsApp user id
  std::string sender;
  std::string text;
  bool from_template = false;
  std::string callback = {};  ///< Twilio's status callback address
};

/// An accepted order.
struct Acceptance {
  SubmittedMessage order;
  std::string id;
  std::chrono::system_clock::time_point at;
};

/// Counts accepted messages, by key and by recipient. A message without a key is identified by its recipient and text.
class SendBook {
 public:
  /// @param run is in every message id, so that ids of two runs are never equal
  explicit SendBook(std::uint32_t run = 0) : run_(run) {}

  /// Accepts an order. With `honour_key`, an order with a known key is not accepted again: the first one is returned.
  Acceptance const& take(SubmittedMessage order, bool honour_key, std::chrono::system_clock::time_point now);

  /// The messages to a recipient, or to all if it is empty, the newest first; of the 100,000 newest at most.
  std::vector<Acceptance const*> list(std::string_view provider, std::string_view recipient, std::string_view sender,
                                      std::size_t most) const;

  std::uint64_t acceptances() const { return acceptances_; }
  std::uint64_t recognised() const { return recognised_; }
  std::uint64_t duplicates() const { return acceptances_ - by_key_.size(); }
  std::uint64_t accepted_of_key(std::string_view key) const;
  std::uint64_t accepted_for(std::string_view recipient) const;
  std::map<std::string, std::uint64_t> const& by_provider() const { return by_provider_; }
  /// Every key and how often it was accepted.
  std::unordered_map<std::string, std::uint64_t> const& by_key() const { return by_key_; }

 private:
  std::uint32_t run_;
  std::uint64_t acceptances_ = 0;
  std::uint64_t recognised_ = 0;
  std::uint64_t next_id_ = 0;
  std::deque<Acceptance> newest_;
  std::unordered_map<std::string, std::uint64_t> by_key_;
  std::unordered_map<std::string, std::string> id_of_key_;
  std::unordered_map<std::string, std::uint64_t> by_recipient_;
  std::map<std::string, std::uint64_t> by_provider_;
  Acceptance again_;
};

/// The people that a rule applies to: none, a share of all by their number ("0.1"), or those whose number ends so
/// ("*99"). The same people in every run.
class PeopleRule {
 public:
  PeopleRule() = default;
  /// @throws std::invalid_argument for anything else
  explicit PeopleRule(std::string_view text);
  bool holds_for(std::string_view recipient, std::string_view what) const;

 private:
  double share_ = 0;
  std::string ending_;
};

}  // namespace omnibus::simulator
