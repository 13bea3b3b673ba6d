#include "engine/dispatch/tenant.hpp"

#include <cstdint>
#include <string>
#include <string_view>

#include <doctest/doctest.h>

using namespace omnibus::engine;

namespace {

std::uint64_t tenant_of(std::string_view value) {
  return owner_of(value).tenant;
}

std::uint32_t route_of(std::string_view value) {
  return owner_of(value, "channels").route;
}

}  // namespace

TEST_CASE("an event belongs to the tenant that its data names") {
  auto const shop = tenant_of(R"({"domain":"shop.example","session_id":"s","text":"hello"})");
  CHECK(shop != 0);
  CHECK(tenant_of(R"( { "text" : "a \" b", "more": [{"domain":"x"}], "domain" : "shop.example" } )") == shop);
  CHECK(tenant_of(R"({"domain":"other.example"})") != shop);
}

TEST_CASE("a structured event belongs to the tenant that its data names") {
  auto const shop = tenant_of(R"({"domain":"shop.example"})");
  CHECK(tenant_of(R"({"specversion":"1.0","type":"t","data":{"text":"","domain":"shop.example"}})") == shop);
  CHECK(tenant_of(R"({"data":{"domain":"shop.example"},"specversion":"1.0"})") == shop);
  CHECK(tenant_of(R"({"data":{"domain":"shop.example"}})") == 0);  // a field of the data that has this name
}

TEST_CASE("a domain behind a long text does not cost the reading of it, and one in front of it is found") {
  std::string const text(1 << 20, 'x');
  CHECK(tenant_of(R"({"text":")" + text + R"(","domain":"shop.example"})") == 0);
  CHECK(tenant_of(R"({"domain":"shop.example","text":")" + text + R"("})") ==
        tenant_of(R"({"domain":"shop.example"})"));
}

TEST_CASE("what names no tenant shares one") {
  for (auto const* const each :
       {"", "{", "{}", "[]", "7", R"({"domain":7})", R"({"domain":""})", R"({"domain":"a)",
        R"({"domain":null,"text":"a"})", "\xff\xfe", R"({"domain")", R"({"a":1}{"domain":"b"})"})
    CHECK(tenant_of(each) == 0);
}

TEST_CASE("an event takes the route that the member for it names") {
  auto const sms = route_of(R"({"domain":"shop.example","channels":["sms"],"body":"hello"})");
  CHECK(sms != 0);
  CHECK(route_of(R"({"channels": ["sms"] , "domain":"other.example"})") == sms);
  CHECK(route_of(R"({"specversion":"1.0","data":{"channels":["sms"],"domain":"shop.example"}})") == sms);
  CHECK(route_of(R"({"domain":"shop.example","channels":["whatsapp"]})") != sms);
  CHECK(route_of(R"({"domain":"shop.example","channels":["sms","whatsapp"]})") != sms);
  CHECK(owner_of(R"({"domain":"shop.example","channels":["sms"]})", "channels").tenant ==
        tenant_of(R"({"domain":"shop.example"})"));
}

TEST_CASE("an event without that member takes none, and neither does any where none is asked for") {
  CHECK(route_of(R"({"domain":"shop.example","body":"hello"})") == 0);
  CHECK(route_of(R"({"domain":"shop.example","channels":)") == 0);
  CHECK(owner_of(R"({"domain":"shop.example","channels":["sms"]})").route == 0);
}
