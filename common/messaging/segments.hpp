/// Counts, divides and cuts an SMS.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::messaging {

enum class SmsEncoding { gsm7, ucs2 };

/// `GSM-7` or `UCS-2`
std::string_view name(SmsEncoding encoding);

/// The size of a message: septets of GSM-7, UTF-16 code units of UCS-2. In a message of several parts each holds less,
/// because of the header that joins them.
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
  std::size_t parts = 0;  ///< the parts that the operator bills; 0 for an empty text
};

/// Counts a text without conversion. Time grows with its length.
SmsSize sms_size(std::string_view text);

struct SmsPart {
  std::string text;
  std::size_t units = 0;
  std::size_t left = 0;  ///< units that would still fit
};

/// Divides a text into as many parts as `sms_size` counts, never within an escape or a surrogate pair. Chooses the
/// division that splits the fewest graphemes, and then the fewest words. The parts joined are the text.
std::vector<SmsPart> sms_parts(std::string_view text);

/// The text, or the beginning that fits into so many parts with an ellipsis at its end (three dots in GSM-7), cut after
/// a word if one ends nearby.
std::string cut_sms(std::string_view text, std::size_t max_parts = sms_max_segments);

}  // namespace omnibus::messaging
