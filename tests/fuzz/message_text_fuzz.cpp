/// What people and models write, under libFuzzer: whatever the bytes, an SMS fits its parts and WhatsApp's limits hold.
/// Built and run by tests/fuzz/run.
#include "json/utf8.hpp"
#include "messaging/keyword.hpp"
#include "messaging/phone_number.hpp"
#include "messaging/plain_text.hpp"
#include "messaging/sms_text.hpp"
#include "messaging/unicode.hpp"
#include "messaging/whatsapp_text.hpp"
#include "tests/fuzz/must.hpp"

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

using namespace omnibus::messaging;
using omnibus::must;

namespace {

void check_sms(std::string_view text) {
  for (std::size_t max = 1; max <= 3; ++max) {
    auto const sms = sms_text(text, max);
    must(omnibus::json::is_utf8(sms.text), "an SMS is UTF-8");
    must(sms.size.parts <= max, "an SMS has no more parts than it may");
  }
  auto const size = sms_size(text);
  auto const room = capacity(size.encoding);
  std::string joined;
  std::size_t units = 0, count = 0;
  for (auto const& part : sms_parts(text)) {
    must(part.units <= (size.parts == 1 ? room.alone : room.in_parts), "a part fits");
    joined += part.text;
    units += part.units;
    ++count;
  }
  must(units == size.units && count == size.parts, "parts are as they were counted");
  must(joined == to_utf8(to_utf16(text)), "parts joined are the text");
}

void check_whatsapp(std::string_view text) {
  auto const rich = whatsapp_text("call_summary", text);
  must(omnibus::json::is_utf8(rich), "a WhatsApp text is UTF-8");
  must(to_utf16(rich).size() <= whatsapp_max_text, "a WhatsApp text fits");
  auto const line = whatsapp_template_parameter(text, 60);
  must(to_utf16(line).size() <= 60, "a template's parameter fits");
  must(line.find_first_of("\n\t") == std::string::npos && line.find("  ") == std::string::npos, "it is one line");
}

void check_phone_number(std::string_view text) {
  for (auto const* region : {"", "RW", "US"}) {
    auto const number = PhoneNumber::parse(text, region);
    if (!number) continue;
    must(is_e164(number->e164()), "a number is E.164");
    must(PhoneNumber::parse(number->e164()) == number, "E.164 reads back as itself");
    must(number->masked().find(number->digits()) == std::string::npos, "a masked number hides it");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  std::string_view const text(reinterpret_cast<char const*>(bytes), size);
  check_sms(text);
  check_whatsapp(text);
  check_phone_number(text.substr(0, 70));
  static_cast<void>(keyword(text.substr(0, 130)));
  static_cast<void>(PhoneNumber::from_whatsapp(text.substr(0, 70)));
  return 0;
}
