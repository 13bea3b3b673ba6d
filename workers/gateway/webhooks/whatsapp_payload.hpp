/// The part of the WhatsApp Cloud API's webhook payload that is read here. Everything that Meta may omit is optional.
#pragma once

#include "json/raw.hpp"

#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gateway::whatsapp {

/// Entries and changes are read one by one, so that an unreadable one does not affect the others.
struct Change {
  std::optional<std::string> field;
  std::optional<json::Raw> value;
};
BOOST_DESCRIBE_STRUCT(Change, (), (field, value))

struct Entry {
  std::optional<std::vector<json::Raw>> changes;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (changes))

struct Payload {
  std::string object;
  std::vector<json::Raw> entry;
};
BOOST_DESCRIBE_STRUCT(Payload, (), (object, entry))

struct Metadata {
  std::string phone_number_id;
};
BOOST_DESCRIBE_STRUCT(Metadata, (), (phone_number_id))

/// Messages and statuses are read one by one, too.
struct ChangeValue {
  Metadata metadata;
  std::optional<std::vector<json::Raw>> contacts;
  std::optional<std::vector<json::Raw>> messages;
  std::optional<std::vector<json::Raw>> statuses;
};
BOOST_DESCRIBE_STRUCT(ChangeValue, (), (metadata, contacts, messages, statuses))

}  // namespace omnibus::gateway::whatsapp
