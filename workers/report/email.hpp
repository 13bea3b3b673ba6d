/// An e-mail message as it goes over the wire. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::report {

/// A message to one person.
struct Email {
  std::string from;     ///< an address
  std::string to;       ///< an address
  std::string to_name;  ///< any text
  std::string subject;  ///< any text
  std::string text, html;
  std::string message_id;       ///< without its angle brackets
  std::string unsubscribe_url;  ///< empty: none
  std::int64_t date_ms = 0;     ///< since 1970
};

/// The message of RFC 5322: headers of ASCII, each encoded word at most 75 characters and valid UTF-8 by itself, and
/// both bodies in base64. Lines end with CRLF and have at most 76 characters, but for addresses. Nothing in a field of
/// `email` can add a header or end the message.
/// @throws std::invalid_argument when an address is none, see rules::is_email().
std::string render_email(Email const& email);

/// A header's value: text of ASCII unchanged if it is short and without a meaning of its own, else encoded words.
/// Control characters become blanks.
std::string encode_header(std::string_view original);

}  // namespace omnibus::report
