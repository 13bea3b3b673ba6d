#include "events/chat.hpp"

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

ChatMessageReceived message() {
  return {"shop.example.com", "s1", "Where is my card?", std::nullopt};
}

std::string broken_field(ChatMessageReceived const& event) {
  auto const invalid = validate(event);
  return invalid ? invalid->field : "";
}

std::string repeated(std::string_view part, std::size_t times) {
  std::string text;
  for (std::size_t i = 0; i < times; ++i) text += part;
  return text;
}

}  // namespace

TEST_CASE("an ordinary message breaks no rule") {
  CHECK(!validate(message()));
}

TEST_CASE("a domain is a host name in lower case") {
  auto event = message();
  for (auto const* domain : {"localhost", "a.b", "xn--bcher-kva.example", "3com.com"}) {
    event.domain = domain;
    CHECK_MESSAGE(broken_field(event) == "", domain);
  }
  for (auto const* domain : {"", ".", "a.", ".a", "a..b", "-a.com", "a-.com", "Example.com", "a b.com", "a/b", "a_b"}) {
    event.domain = domain;
    CHECK_MESSAGE(broken_field(event) == "domain", domain);
  }
  event.domain = repeated("a", 63) + ".com";
  CHECK(broken_field(event) == "");
  event.domain = repeated("a", 64) + ".com";
  CHECK(broken_field(event) == "domain");
  event.domain = repeated("a.", 126) + "a";
  CHECK(broken_field(event) == "");
  event.domain = repeated("a.", 127) + "a";
  CHECK(broken_field(event) == "domain");
}

TEST_CASE("lengths are counted in characters, not in bytes") {
  auto event = message();
  event.text = repeated("\xF0\x9F\x98\x80", 16'000);
  CHECK(broken_field(event) == "");
  event.text += "x";
  CHECK(broken_field(event) == "text");
  event = message();
  event.session_id = repeated("\xC3\xA9", 255);
  CHECK(broken_field(event) == "");
  event.session_id += "\xC3\xA9";
  CHECK(broken_field(event) == "session_id");
}

TEST_CASE("session and text may not be empty") {
  auto event = message();
  event.session_id.clear();
  CHECK(broken_field(event) == "session_id");
  event = message();
  event.text.clear();
  CHECK(broken_field(event) == "text");
}
