#include "messaging/sms_text.hpp"

#include "messaging/plain_text.hpp"
#include "messaging/unicode.hpp"

#include <utility>

namespace omnibus::messaging {
namespace {

/// Without the white space that removed marks and emoji left at the ends of lines and of the text.
std::string trimmed(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    auto const line = text.substr(0, end);
    out += line.substr(0, line.find_last_not_of(' ') + 1);
    if (end < text.size()) out += '\n';
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  out.erase(out.find_last_not_of(" \n") + 1);
  out.erase(0, out.find_first_not_of(" \n"));
  return out;
}

}  // namespace

SmsText sms_text(std::string_view body, std::size_t max_parts) {
  auto written = to_gsm7(plain_text(bounded(body, max_body)));
  auto text = trimmed(written.text);
  auto const whole = sms_size(text);
  if (whole.parts <= max_parts) return {std::move(text), whole, std::move(written.replaced)};
  text = cut_sms(text, max_parts);
  auto const size = sms_size(text);
  return {std::move(text), size, std::move(written.replaced), true};
}

}  // namespace omnibus::messaging
