#include "messaging/unsubscribe.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::messaging;

TEST_CASE("an address for unsubscribing is good for one person of one tenant") {
  auto const user = name_uuid(Uuid{}, "ann");
  auto const address = unsubscribe_address("secret", "shop.example", user);
  auto const query = "?domain=shop.example&user=" + to_string(user) + "&signature=";
  REQUIRE(address.starts_with("/v1/reports/unsubscribe" + query));
  auto const signature = address.substr(address.find("signature=") + 10);
  CHECK(signature.size() == 64);
  CHECK(is_unsubscribe_signature("secret", "shop.example", user, signature));
  CHECK_FALSE(is_unsubscribe_signature("secret", "other.example", user, signature));
  CHECK_FALSE(is_unsubscribe_signature("secret", "shop.example", name_uuid(Uuid{}, "bob"), signature));
  CHECK_FALSE(is_unsubscribe_signature("other", "shop.example", user, signature));
  CHECK_FALSE(is_unsubscribe_signature("secret", "shop.example", user, ""));
}

TEST_CASE("without a secret no signature is right") {
  auto const user = name_uuid(Uuid{}, "ann");
  auto const address = unsubscribe_address("", "shop.example", user);
  CHECK_FALSE(is_unsubscribe_signature("", "shop.example", user, address.substr(address.find("signature=") + 10)));
}
