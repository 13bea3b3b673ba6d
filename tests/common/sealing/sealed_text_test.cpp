#include "sealing/sealed_text.hpp"

#include <set>
#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sealing;

namespace {

constexpr std::string_view text_type = "omnibus.chat.message.received.v1";

std::optional<std::string> opened(AesKey const& key, std::string_view text, std::string_view binding) {
  auto const sealed = parse_sealed_text(text);
  return sealed ? open_text(key, binding, *sealed) : std::nullopt;
}

}  // namespace

TEST_CASE("a sealed text has the form that SPEC names, and opens to what it was") {
  auto const id = random_uuid();
  auto const key = random_aes_key();
  auto const binding = binding_of(text_type, "/text", "7");
  std::set<std::size_t> sizes;
  for (std::size_t size = 0; size < 70; ++size) {
    std::string clear(size, '\0');
    for (std::size_t i = 0; i < size; ++i) clear[i] = static_cast<char>(i * 37);
    auto const text = seal_text(id, key, binding, clear);
    CHECK(text.starts_with("sealed:v1:" + to_string(id) + ":"));
    CHECK(text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_", 47) == text.npos);
    CHECK(parse_sealed_text(text).value().key_id == id);
    CHECK(opened(key, text, binding) == clear);
    sizes.insert(text.size() % 4);
  }
  CHECK(sizes.size() == 3);
}

TEST_CASE("the same text is sealed to another one each time") {
  auto const key = random_aes_key();
  CHECK(seal_text({}, key, "here", "hello") != seal_text({}, key, "here", "hello"));
}

TEST_CASE("a sealed text opens in no other event, field or type, and with no other key") {
  auto const key = random_aes_key();
  auto const text = seal_text({}, key, binding_of(text_type, "/text", "7"), "hello");
  CHECK(opened(key, text, binding_of(text_type, "/text", "7")) == "hello");
  CHECK_FALSE(opened(key, text, binding_of(text_type, "/text", "8")));
  CHECK_FALSE(opened(key, text, binding_of(text_type, "/name", "7")));
  CHECK_FALSE(opened(key, text, binding_of("omnibus.chat.reply.generated.v1", "/text", "7")));
  CHECK_FALSE(opened(random_aes_key(), text, binding_of(text_type, "/text", "7")));
}

TEST_CASE("parts of a binding cannot be shifted into one another") {
  CHECK(binding_of("a", "/b", "1") != binding_of("a", "/b1", ""));
  CHECK(binding_of("a", "/1/b", "1") != binding_of("a", "/b", "1/1"));
}

TEST_CASE("a changed character is noticed wherever it stands") {
  auto const key = random_aes_key();
  auto const text = seal_text(random_uuid(), key, "here", "a text of some length");
  for (std::size_t at = 47; at < text.size(); ++at) {
    auto changed = text;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    CHECK_FALSE(opened(key, changed, "here"));
    CHECK_FALSE(opened(key, text.substr(0, at), "here"));
  }
  CHECK_FALSE(opened(key, text + "A", "here"));
  CHECK_FALSE(opened(key, text + "=", "here"));
}

TEST_CASE("what only looks like a sealed text is none") {
  for (auto const* const text :
       {"", "sealed:", "sealed:v1:", "sealed:v1:x:AAAA", "sealed:v2:0190b5e8-5a6c-7cc5-a4f4-0f6f7e2b1a11:AAAA",
        "sealed:v1:0190b5e8-5a6c-7cc5-a4f4-0f6f7e2b1a11", " sealed:v1:0190b5e8-5a6c-7cc5-a4f4-0f6f7e2b1a11:AAAA"})
    CHECK_FALSE(parse_sealed_text(text));
}
