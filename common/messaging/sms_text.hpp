#pragma once

#include "messaging/segments.hpp"
#include "messaging/transliterate.hpp"

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

/// A message as it goes out by SMS.
struct SmsText {
  std::string text;
  SmsSize size;
  std::vector<Replacement> replaced{};  ///< what GSM-7 has no character for
  bool cut = false;                     ///< an ellipsis stands for the rest
};

/// The longest body that is looked at, in bytes; of a longer one the beginning.
inline constexpr std::size_t max_body = 16 * 1024;

/// Makes a body of simple Markdown, or with WhatsApp's marks, into an SMS: plain, in GSM-7 where it can be, and at most
/// `max_parts` long. Empty when nothing of it can be read.
SmsText sms_text(std::string_view body, std::size_t max_parts = sms_max_segments);

}  // namespace omnibus::messaging
