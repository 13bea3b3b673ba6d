#include "json/byte_search.hpp"

#include <algorithm>
#include <random>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus::json;

TEST_CASE("a byte is found where a loop finds it") {
  std::mt19937 random{7};
  constexpr std::string_view alphabet("ab\"\\!#[]\x80\xA2\xDC\xFF\0\x01", 14);
  for (auto round = 0; round < 20'000; ++round) {
    std::string text(random() % 40, ' ');
    for (auto& c : text) c = alphabet[random() % (round % 2 == 0 ? alphabet.size() : 2)];
    char const* const at = text.data() + random() % (text.size() + 1);
    auto const* const end = text.data() + text.size();
    CHECK(find_byte<'"', '\\'>(at, end) == std::find_if(at, end, [](char c) { return c == '"' || c == '\\'; }));
    CHECK(find_byte<'\x80'>(at, end) == std::find(at, end, '\x80'));
    CHECK(find_byte<'\0', '\xFF'>(at, end) == std::find_if(at, end, [](char c) { return c == '\0' || c == '\xFF'; }));
  }
}
