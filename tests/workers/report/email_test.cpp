// E-mail messages as they go over the wire.
#include "workers/report/email.hpp"

#include "text/base64.hpp"
#include "text/rules.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::report;

namespace {

Email some_email() {
  return {"reports@omnibus.example",
          "ann@example.org",
          "Ann",
          "Your report",
          "Hello",
          "<p>Hello</p>",
          "1@omnibus.example",
          "",
          1'795'168'800'000};
}

std::vector<std::string> lines_of(std::string const& message) {
  std::vector<std::string> lines;
  std::size_t at = 0;
  for (auto end = message.find("\r\n"); end != std::string::npos; end = message.find("\r\n", at)) {
    lines.push_back(message.substr(at, end - at));
    at = end + 2;
  }
  CHECK(at == message.size());
  return lines;
}

}  // namespace

TEST_CASE("a message is ASCII in lines of at most 76 characters, whatever is in it") {
  auto email = some_email();
  email.to_name = "Eve\r\nBcc: x@example.org";
  for (int i = 0; i < 40; ++i) email.subject += "🧑‍🤝‍🧑";
  email.text = "\r\n.\r\nMAIL FROM:<x@example.org>\r\n" + std::string(8000, 'x');
  auto const message = render_email(email);
  for (auto const& line : lines_of(message)) {
    CHECK(line.size() <= 76);
    CHECK(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c < 0x7F; }));
    CHECK(line != ".");
    CHECK_FALSE(line.starts_with("Bcc"));
    CHECK_FALSE(line.starts_with("MAIL"));
  }
}

TEST_CASE("the date is of RFC 5322") {
  CHECK(render_email(some_email()).starts_with("Date: Fri, 20 Nov 2026 10:00:00 +0000\r\n"));
}

TEST_CASE("a header is plain where it can be, else words of whole characters") {
  CHECK(encode_header("Your report of 2026-11-29") == "Your report of 2026-11-29");
  CHECK(encode_header("Zoë") == "=?UTF-8?B?Wm/Dqw==?=");
  CHECK(encode_header("a=?b").starts_with("=?UTF-8?B?"));
  CHECK(encode_header("a@b") == "=?UTF-8?B?YUBi?=");
  CHECK(encode_header("") == "");
  std::string emoji;
  for (int i = 0; i < 40; ++i) emoji += "👍";
  auto const encoded = encode_header(emoji);
  std::size_t at = 0;
  std::size_t words = 0;
  while (at < encoded.size()) {
    auto const end = std::min(encoded.find("\r\n ", at), encoded.size());
    auto const word = encoded.substr(at, end - at);
    CHECK(word.size() <= 75);
    if (words < 4) CHECK(word.size() == 60);  // nine characters of four bytes
    ++words;
    at = end + 3;
  }
  CHECK(words == 5);
}

TEST_CASE("each encoded word holds whole characters, wherever they fall, and no control characters") {
  std::string text = "x";  // so that no word would end between two characters by itself
  for (int i = 0; i < 40; ++i) text += "👍";
  std::string decoded;
  constexpr std::string_view frame = "=?UTF-8?B?";
  for (auto rest = encode_header(text); !rest.empty();) {
    auto const end = std::min(rest.find("\r\n "), rest.size());
    auto const word = decode_base64(rest.substr(frame.size(), end - frame.size() - 2));
    REQUIRE(word);
    CHECK((static_cast<unsigned char>(word->front()) & 0xC0) != 0x80);
    decoded += *word;
    rest.erase(0, end + 3);
  }
  CHECK(decoded == text);
  CHECK(encode_header("Eve\r\nBcc: x@example.org\x7f") == encode_header("Eve  Bcc: x@example.org "));
}

TEST_CASE("one click ends the mail where an address for it is known") {
  auto email = some_email();
  CHECK(render_email(email).find("List-Unsubscribe") == std::string::npos);
  email.unsubscribe_url = "https://omnibus.example/v1/reports/unsubscribe?user=1";
  auto const message = render_email(email);
  CHECK(message.find("List-Unsubscribe: <https://omnibus.example/v1/reports/unsubscribe?user=1>\r\n") !=
        std::string::npos);
  CHECK(message.find("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n") != std::string::npos);
  email.unsubscribe_url = "https://omnibus.example/\r\nBcc: x@example.org";
  CHECK_THROWS_AS(render_email(email), std::invalid_argument);
}

TEST_CASE("what is no address never gets into a message") {
  for (auto const* const wrong :
       {"", "@", "a@", "@b", "a", "a@b@c", "a b@c", "a@b\r\nBcc: x@y", "a@b>", "<a@b", "a,b@c", "é@b", "a@b\x7f"}) {
    CAPTURE(wrong);
    CHECK_FALSE(rules::is_email(wrong));
    auto email = some_email();
    email.to = wrong;
    CHECK_THROWS_AS(render_email(email), std::invalid_argument);
  }
  CHECK_FALSE(rules::is_email(std::string(250, 'a') + "@b.cd"));
  CHECK(rules::is_email("ann+reports@example.org"));
}
