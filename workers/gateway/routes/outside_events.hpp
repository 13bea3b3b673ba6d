/// The events that tenants may publish, and their checks.
#pragma once

#include "events/all_events.hpp"
#include "json/decode.hpp"
#include "kafka/topics.hpp"
#include "text/invalid_field.hpp"

#include <cstddef>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::gateway {

/// Data of an event that passed its check, ready to be published.
struct CheckedData {
  std::string domain;
  std::string key;   ///< the record's
  std::string json;  ///< encoded again from the checked data
};

/// The inputs of profile keys.
struct ProfileKeys {
  std::string secret;  ///< PROFILE_KEY_SECRET; empty: events with such a key are refused
  std::string region;  ///< of phone numbers without a country code
};

/// @throws Refusal that names the field within `data`: 422, or 400 when it is the document as a whole.
[[noreturn]] void refuse_data(json::DecodeError const& error);
[[noreturn]] void refuse_data(InvalidField const& invalid);

/// Decodes the data strictly and validates it, so what is returned is valid by the JSON Schema of its type.
/// @throws Refusal as refuse_data does.
template <class Event>
Event read_data(std::string_view data) {
  auto event = json::decode_strictly<Event>(data, {.bytes = data.size()});
  if (!event) refuse_data(event.error());
  if constexpr (requires { validate(*event); }) {
    if (auto const invalid = validate(*event)) refuse_data(*invalid);
  }
  return *std::move(event);
}

/// The events of `from_outside` in the topics file. Each is checked by the struct in common/events/all_events.hpp that
/// has its type. The record's key is what the topic's `key` says: `profile_key` is the keyed hash of the person, any
/// other word is the member of that name. A visitor's message is the exception: it is read by `read_data`, and
/// VisitorMessages knows its conversation. Immutable; any thread may use it.
class OutsideEvents {
 public:
  /// `topics` must outlive it.
  /// @throws std::invalid_argument naming an event of `from_outside` that cannot be checked or keyed.
  OutsideEvents(kafka::TopicCatalog const& topics, ProfileKeys profile_keys);
  OutsideEvents(OutsideEvents const&) = delete;
  OutsideEvents& operator=(OutsideEvents const&) = delete;

  /// @throws Refusal 400 for a type that no topic carries, 403 for one that is not in `from_outside`.
  void check_type(std::string_view type) const;

  /// For a type that `check_type` accepts, but not ChatMessageReceived, whose route checks it.
  /// @throws Refusal as refuse_data does; 413 for more than the topic takes; 503 without the secret that the key needs.
  CheckedData check(std::string_view type, std::string_view data) const;

 private:
  using Check = std::function<CheckedData(std::string_view data)>;

  template <class... Event>
  Check find_check(EventTypes<Event...>, std::string_view type, kafka::TopicSpec const& topic) const;
  template <class Event>
  Check make_check(kafka::TopicSpec const& topic) const;

  kafka::TopicCatalog const& topics_;
  ProfileKeys profile_keys_;
  std::map<std::string, Check, std::less<>> checks_;
};

}  // namespace omnibus::gateway
