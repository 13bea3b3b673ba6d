#pragma once

#include "messaging/segments.hpp"
#include "messaging/transliterate.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

/// A message as it is sent by SMS.
struct SmsText {
  std::string text;
  SmsSize size;
  std::vector<Replacement> replaced{};  ///< characters that GSM-7 lacks
  bool cut = false;                     ///< an ellipsis replaces the rest
};

/// The longest body that is read, in bytes; a longer one is cut to it.
inline constexpr std::size_t max_body = 16 * 1024;

/// Converts a body of simple Markdown, or with WhatsApp's marks, into an SMS: plain, in GSM-7 if possible, and at most
/// `max_parts` long. Empty when it has no readable text.
SmsText sms_text(std::string_view body, std::size_t max_parts = sms_max_segments);

}  // namespace omnibus::messaging
