/// How an SMS is counted, divided and cut.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

enum class SmsEncoding { gsm7, ucs2 };

/// `GSM-7` or `UCS-2`
std::string_view name(SmsEncoding encoding);

/// What a message holds: septets of GSM-7, UTF-16 code units of UCS-2. A message of several parts has less in each, for
/// the header by which they are joined again.
struct SmsCapacity {
  std::size_t alone;
  std::size_t in_parts;
};
constexpr SmsCapacity capacity(SmsEncoding encoding) {
  return encoding == SmsEncoding::gsm7 ? SmsCapacity{160, 153} : SmsCapacity{70, 67};
}

inline constexpr std::size_t sms_max_segments = 3;
/// SMS_MAX_LENGTH_3_SEGMENTS: 459 septets, or 201 UTF-16 code units.
constexpr std::size_t sms_max_length_3_segments(SmsEncoding encoding) {
  return sms_max_segments * capacity(encoding).in_parts;
}

struct SmsSize {
  SmsEncoding encoding = SmsEncoding::gsm7;
  std::size_t units = 0;
  std::size_t parts = 0;  ///< what the operator bills; 0 of an empty text
};

/// Counts a text as it stands. Time grows with its length.
SmsSize sms_size(std::string_view text);

struct SmsPart {
  std::string text;
  std::size_t units = 0;
  std::size_t left = 0;  ///< units that would still fit
};

/// Divides a text into as many parts as `sms_size` counts, never within an escape or a surrogate pair, and of all ways
/// to do so takes one that splits the fewest graphemes, and then the fewest words. The parts joined are the text.
std::vector<SmsPart> sms_parts(std::string_view text);

/// The text, or as much of it as fits in so many parts with an ellipsis at its end (three dots in GSM-7), cut after a
/// word where one ends nearby.
std::string cut_sms(std::string_view text, std::size_t max_parts = sms_max_segments);

}  // namespace omnibus::messaging
