#include "uuid/uuid.hpp"

#include "events/conversation.hpp"

#include <set>

#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("a UUID reads back as it was written") {
  auto const uuid = parse_uuid("6BA7B810-9dad-11d1-80B4-00c04fd430c8");
  REQUIRE(uuid);
  CHECK(to_string(*uuid) == "6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  CHECK(to_string(Uuid{}) == "00000000-0000-0000-0000-000000000000");
}

TEST_CASE("only the canonical form is a UUID") {
  for (auto const* text : {"", "6ba7b8109dad11d180b400c04fd430c8", "{6ba7b810-9dad-11d1-80b4-00c04fd430c8}",
                           "6ba7b810-9dad-11d1-80b4-00c04fd430c", "6ba7b810-9dad-11d1-80b4-00c04fd430cg",
                           "6ba7b810-9dad-11d1-80b40-0c04fd430c8", "6ba7b810-9dad-11d1-80b4-00c04fd430c8 ",
                           "6ba7b810x9dad-11d1-80b4-00c04fd430c8"})
    CHECK_MESSAGE(!parse_uuid(text), text);
}

TEST_CASE("a name's UUID is that of RFC 9562") {
  auto const dns = *parse_uuid("6ba7b810-9dad-11d1-80b4-00c04fd430c8");
  CHECK(to_string(name_uuid(dns, "www.example.com")) == "2ed6657d-e927-568b-95e1-2665a8aea6a2");
  CHECK(to_string(name_uuid(dns, "python.org")) == "886313e1-3b8a-5372-9b90-0c9aee199e5d");
}

TEST_CASE("random UUIDs differ and are of version 4") {
  std::set<Uuid> seen;
  for (int i = 0; i < 1'000; ++i) {
    auto const uuid = random_uuid();
    CHECK((uuid.bytes[6] >> 4) == 4);
    CHECK((uuid.bytes[8] >> 6) == 2);
    seen.insert(uuid);
  }
  CHECK(seen.size() == 1'000);
}

TEST_CASE("a conversation's id depends on where its domain ends and its session begins") {
  CHECK(conversation_id_of("example.com", "s1") == conversation_id_of("example.com", "s1"));
  CHECK(conversation_id_of("example.com", "s1") != conversation_id_of("example.coms", "1"));
  // Held fast: every producer computes it, so it may never change.
  CHECK(to_string(conversation_id_of("example.com", "s1")) == "6d466783-7a03-589e-9f15-9fbb65c8c77e");
}
