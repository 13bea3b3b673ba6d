/// The part of the WhatsApp Cloud API's webhook payload that is read here. Everything that Meta may omit is optional.
#pragma once

#include "json/raw.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gateway::whatsapp {

struct Change {
  std::optional<std::string> field;
  std::optional<json::Raw> value;
};
BOOST_DESCRIBE_STRUCT(Change, (), (field, value))

struct Entry {
  std::optional<std::vector<Change>> changes;
};
BOOST_DESCRIBE_STRUCT(Entry, (), (changes))

struct Payload {
  std::string object;
  std::vector<Entry> entry;
};
BOOST_DESCRIBE_STRUCT(Payload, (), (object, entry))

struct Metadata {
  std::string phone_number_id;
};
BOOST_DESCRIBE_STRUCT(Metadata, (), (phone_number_id))

struct Contact {
  std::optional<std::string> wa_id;
  std::optional<std::string> user_id;
};
BOOST_DESCRIBE_STRUCT(Contact, (), (wa_id, user_id))

/// The entries of a change; each is read by itself, so that an unreadable one does not affect the others.
struct ChangeValue {
  Metadata metadata;
  std::optional<std::vector<json::Raw>> contacts;
  std::optional<std::vector<json::Raw>> messages;
  std::optional<std::vector<json::Raw>> statuses;
};
BOOST_DESCRIBE_STRUCT(ChangeValue, (), (metadata, contacts, messages, statuses))

struct Text {
  std::string body;
};
BOOST_DESCRIBE_STRUCT(Text, (), (body))

struct Button {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(Button, (), (text))

struct InteractiveReply {
  std::string title;
};
BOOST_DESCRIBE_STRUCT(InteractiveReply, (), (title))

struct Interactive {
  std::optional<InteractiveReply> button_reply;
  std::optional<InteractiveReply> list_reply;
};
BOOST_DESCRIBE_STRUCT(Interactive, (), (button_reply, list_reply))

struct Media {
  std::optional<std::string> caption;
};
BOOST_DESCRIBE_STRUCT(Media, (), (caption))

struct InboundMessage {
  std::string id;
  std::string type;
  std::optional<std::string> timestamp;
  std::optional<std::string> from;
  std::optional<std::string> from_user_id;
  std::optional<std::string> group_id;
  std::optional<Text> text;
  std::optional<Button> button;
  std::optional<Interactive> interactive;
  std::optional<Media> image;
  std::optional<Media> video;
  std::optional<Media> document;
};
BOOST_DESCRIBE_STRUCT(InboundMessage, (),
                      (id, type, timestamp, from, from_user_id, group_id, text, button, interactive, image, video,
                       document))

struct StatusError {
  std::optional<std::int64_t> code;
};
BOOST_DESCRIBE_STRUCT(StatusError, (), (code))

struct Status {
  std::string id;
  std::string status;
  std::optional<std::string> timestamp;
  std::optional<std::string> biz_opaque_callback_data;
  std::optional<std::vector<StatusError>> errors;
};
BOOST_DESCRIBE_STRUCT(Status, (), (id, status, timestamp, biz_opaque_callback_data, errors))

}  // namespace omnibus::gateway::whatsapp
