// What segments_test.py asks of common/messaging.
//   segments_dump alphabet   prints the septets of every UTF-16 unit that has some, as {"97": 1, ...}
//   segments_dump            reads texts that end with a NUL each, and for each prints a line of JSON: how it is
//   counted
//                            and divided as it stands, and what is sent for it
#include "json/encode.hpp"
#include "messaging/gsm7.hpp"
#include "messaging/sms_text.hpp"

#include <cstdint>
#include <iostream>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

using namespace omnibus;

namespace {

struct Part {
  std::string text;
  std::int64_t units;
  std::int64_t left;
};
BOOST_DESCRIBE_STRUCT(Part, (), (text, units, left))

struct Counted {
  std::string text;
  std::string encoding;
  std::int64_t units;
  std::int64_t segments;
  std::vector<Part> parts;
};
BOOST_DESCRIBE_STRUCT(Counted, (), (text, encoding, units, segments, parts))

struct Report {
  Counted as_is;
  Counted sent;
  bool cut;
};
BOOST_DESCRIBE_STRUCT(Report, (), (as_is, sent, cut))

Counted counted(std::string const& text, messaging::SmsSize const& size) {
  Counted result{text,
                 std::string{name(size.encoding)},
                 static_cast<std::int64_t>(size.units),
                 static_cast<std::int64_t>(size.parts),
                 {}};
  for (auto const& part : messaging::sms_parts(text))
    result.parts.push_back({part.text, static_cast<std::int64_t>(part.units), static_cast<std::int64_t>(part.left)});
  return result;
}

void print_alphabet() {
  auto const* separator = "{";
  for (std::uint32_t unit = 0; unit <= 0xFFFF; ++unit) {
    auto const septets = messaging::gsm7::septets(static_cast<char16_t>(unit));
    if (septets == 0) continue;
    std::cout << separator << '"' << unit << "\": " << static_cast<int>(septets);
    separator = ", ";
  }
  std::cout << "}\n";
}

}  // namespace

int main(int argc, char** argv) {
  if (argc > 1 && std::string_view{argv[1]} == "alphabet") {
    print_alphabet();
    return 0;
  }
  for (std::string text; std::getline(std::cin, text, '\0');) {
    auto const sent = messaging::sms_text(text);
    std::cout << json::encode(Report{counted(text, messaging::sms_size(text)), counted(sent.text, sent.size), sent.cut})
              << '\n';
  }
  return 0;
}
