#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// Requests a message to a person, over one channel or several. Each channel has one delivery; its outcome
/// is one or more of the events below, which name this one's `ce_id` in `request_id`.
struct NotificationRequested {
  static constexpr std::string_view type = "omnibus.notification.requested.v1";
  std::string domain;
  Uuid profile_id;   ///< the recipient; the phone number is the profile's
  std::string kind;  ///< call_summary, reply, message, or the answer to a keyword: opt_out, opt_in, help
  std::vector<std::string> channels;        ///< whatsapp, sms, or both
  std::string body;                         ///< simple Markdown; converted for each channel
  std::optional<Uuid> session_id{};         ///< the conversation across channels that it belongs to
  std::optional<std::string> expires_at{};  ///< RFC 3339; a message not sent by then is skipped
};
BOOST_DESCRIBE_STRUCT(NotificationRequested, (), (domain, profile_id, kind, channels, body, session_id, expires_at))

inline Subjects subjects_of(NotificationRequested const& event, std::string_view) {
  return aliases({event.profile_id});
}

std::optional<InvalidField> validate(NotificationRequested const& request);

/// The id of a request's delivery over one channel: in the ledger, in the log, and at its provider.
/// `request_key` is the request's event_key().
Uuid effect_key(Uuid const& request_key, std::string_view channel);

/// The text, cut between two characters to at most this many bytes. `text` is UTF-8.
std::string_view fit_bytes(std::string_view text, std::size_t most);

/// The text as a valid body: cut if it is too long.
std::string fit_body(std::string_view text);

/// A provider accepted the message.
struct NotificationSent {
  static constexpr std::string_view type = "omnibus.notification.sent.v1";
  std::string domain;
  std::string request_id;
  Uuid profile_id;
  std::string channel;
  std::string provider;
  std::string provider_message_id;
  std::optional<std::int64_t> segments{};  ///< parts of an SMS
};
BOOST_DESCRIBE_STRUCT(NotificationSent, (),
                      (domain, request_id, profile_id, channel, provider, provider_message_id, segments))

inline Subjects subjects_of(NotificationSent const& event, std::string_view) {
  return aliases({event.profile_id});
}

/// A message will not arrive: it was permanently refused, or its delivery failed.
struct NotificationFailed {
  static constexpr std::string_view type = "omnibus.notification.failed.v1";
  std::string domain;
  std::string request_id;
  Uuid profile_id;
  std::string channel;
  std::string provider;
  std::string error_code;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(NotificationFailed, (), (domain, request_id, profile_id, channel, provider, error_code, reason))

inline Subjects subjects_of(NotificationFailed const& event, std::string_view) {
  return aliases({event.profile_id});
}

/// A message was skipped on purpose: no provider was asked to send it. Or an SMS cannot be answered.
struct NotificationSkipped {
  static constexpr std::string_view type = "omnibus.notification.skipped.v1";
  std::string domain;
  std::string request_id;
  Uuid profile_id;
  std::string channel;
  /// no_whatsapp, no_phone_number, no_sms, opted_out, outside_window, expired, spend_cap, country_not_allowed,
  /// person_limit, summary_limit
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(NotificationSkipped, (), (domain, request_id, profile_id, channel, reason))

inline Subjects subjects_of(NotificationSkipped const& event, std::string_view) {
  return aliases({event.profile_id});
}

/// It is unknown whether the provider accepted the message. It is not sent again unless its channel is configured so.
struct NotificationInDoubt {
  static constexpr std::string_view type = "omnibus.notification.in_doubt.v1";
  std::string domain;
  std::string request_id;
  Uuid profile_id;
  std::string channel;
  std::string provider;
  std::string reason;
};
BOOST_DESCRIBE_STRUCT(NotificationInDoubt, (), (domain, request_id, profile_id, channel, provider, reason))

inline Subjects subjects_of(NotificationInDoubt const& event, std::string_view) {
  return aliases({event.profile_id});
}

/// The provider reports that the message arrived.
struct NotificationDelivered {
  static constexpr std::string_view type = "omnibus.notification.delivered.v1";
  std::string domain;
  std::string request_id;
  Uuid profile_id;
  std::string channel;
  std::string provider;
  std::string occurred_at;  ///< RFC 3339
};
BOOST_DESCRIBE_STRUCT(NotificationDelivered, (), (domain, request_id, profile_id, channel, provider, occurred_at))

inline Subjects subjects_of(NotificationDelivered const& event, std::string_view) {
  return aliases({event.profile_id});
}

/// The provider reports that the message was read.
struct NotificationRead {
  static constexpr std::string_view type = "omnibus.notification.read.v1";
  std::string domain;
  std::string request_id;
  Uuid profile_id;
  std::string channel;
  std::string provider;
  std::string occurred_at;  ///< RFC 3339
};
BOOST_DESCRIBE_STRUCT(NotificationRead, (), (domain, request_id, profile_id, channel, provider, occurred_at))

inline Subjects subjects_of(NotificationRead const& event, std::string_view) {
  return aliases({event.profile_id});
}

}  // namespace omnibus
