#include "workers/cli/terminal/terminal.hpp"

#include <stdexcept>

#include <doctest/doctest.h>

using namespace omnibus::cli;

TEST_CASE("what could move a terminal's cursor or hide text is escaped") {
  CHECK(printable("plain text, ünïcode, 你好") == "plain text, ünïcode, 你好");
  CHECK(printable("\x1b[2J\x07\r\n\t") == "\\x1b[2J\\x07\\x0d\\n\\t");
  CHECK(printable(std::string_view{"a\0b", 3}) == "a\\x00b");
  CHECK(printable("\x7f\xc2\x9b") == "\\x7f\\u{9b}");  // DEL, and CSI as one character
  CHECK(printable("\xe2\x80\xae"
                  "evil") == "\\u{202e}evil");                              // right-to-left override
  CHECK(printable("\xff\xc3") == "\\xff\\xc3");                             // no UTF-8
  CHECK(printable("\xc0\x9b\xed\xa0\x80") == "\\xc0\\x9b\\xed\\xa0\\x80");  // overlong, surrogate
  CHECK(printable("0123456789", 4) == "0123…");
  CHECK(printable("\x1b\x1b", 5) == "\\x1b…");  // an escape is whole or not there
}

TEST_CASE("columns are as wide as their widest cell, counted in characters") {
  Table table{{"NAME", "N"}};
  table.add({"ünï", "1"});
  table.add({"longer name", "22"});
  table.add({"short"});
  CHECK(table.text() ==
        "NAME         N\n"
        "ünï          1\n"
        "longer name  22\n"
        "short\n");
}

TEST_CASE("a key is told apart and not told") {
  CHECK(key_hash("key") == "2c70e12b7a06");  // printf key | sha256sum
  CHECK(key_hash("") == "e3b0c44298fc");
  CHECK(key_hash({}) == "-");
}

TEST_CASE("times are read and written") {
  constexpr std::int64_t now = 1'795'000'000'000;
  CHECK(utc(1'795'168'800'500) == "2026-11-20T10:00:00Z");
  CHECK(utc(-1) == "-");
  CHECK(utc(std::int64_t{1} << 60) == "-");
  CHECK(read_time("2026-11-20T10:00:00Z", now) == 1'795'168'800'000);
  CHECK(read_time("2026-11-20T10:00Z", now) == 1'795'168'800'000);
  CHECK(read_time("2026-11-20", now) == 1'795'132'800'000);
  CHECK(read_time("90s", now) == now - 90'000);
  CHECK(read_time("30m", now) == now - 1'800'000);
  CHECK(read_time("7d", now) == now - 7 * 86'400'000LL);
  for (auto const* const wrong : {"", "h", "-1h", "1.5h", "yesterday", "2026-02-30", "2026-11-20T25:00:00Z",
                                  "2026-11-20T10:00:00", "2026-11-20T10:00:00Zz", "99999999999d"})
    CHECK_THROWS_AS(read_time(wrong, now), std::invalid_argument);
}
