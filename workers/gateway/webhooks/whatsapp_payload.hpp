/// The part of the WhatsApp Cloud API's webhook payload that is read here, as texts in the body. Everything that Meta
/// may omit is optional. Pure.
#pragma once

#include "json/loose.hpp"

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::gateway::whatsapp {

struct Change {
  std::string field;
  std::string_view value;
};

/// Split but not read: one unreadable message must not affect the others. The body must outlive it.
struct Payload {
  std::string object;
  std::vector<Change> changes;
  std::size_t unreadable = 0;  ///< entries and changes that are none
};

/// @return nothing when it is no JSON object with an array `entry`.
std::optional<Payload> read_payload(std::string_view body);

/// A change's value: whose messages and statuses they are. The arrays are texts, empty if they are missing.
struct ChangeValue {
  std::string phone_number_id;
  std::string_view contacts, messages, statuses;
};

/// @return nothing when it does not name our number.
std::optional<ChangeValue> read_change_value(std::string_view text);

/// Calls `take` with the text of each element. False when it is no array.
bool each_element(std::string_view array, auto const& take) {
  json::LooseReader reader(array);
  return reader.array([&] { take(reader.raw()); });
}

}  // namespace omnibus::gateway::whatsapp
