#include "workers/cli/matching/people_import.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::cli;

namespace {

ImportDefaults const shop{"shop.example", {}};

std::string field_of(std::string_view line, ImportDefaults const& defaults = shop) {
  auto const person = read_person_line(line, defaults);
  return person ? "" : person.error().field;
}

}  // namespace

TEST_CASE("a line with a handle alone is a person of the default tenant, not approved and without consent") {
  auto const person = read_person_line(R"({"handle":"ann"})", shop).value();
  CHECK(person.domain == "shop.example");
  CHECK(person.timezone == "UTC");
  CHECK(person.status == "PENDING");
  CHECK_FALSE(person.deep_analysis_consent_at);
}

TEST_CASE("the same line makes the same person again, another tenant or handle another one") {
  auto const id = [](std::string_view line) { return read_person_line(line, shop).value().user_id; };
  CHECK(id(R"({"handle":"ann"})") == id(R"({"handle":"ann","narrative":"new"})"));
  CHECK(id(R"({"handle":"ann"})") != id(R"({"handle":"bob"})"));
  CHECK(id(R"({"handle":"ann"})") != id(R"({"handle":"ann","domain":"bank.example"})"));
  CHECK(to_string(id(R"({"handle":"a","user_id":"00000000-0000-4000-8000-00000000000A"})")) ==
        "00000000-0000-4000-8000-00000000000a");
}

TEST_CASE("with approval, what a line leaves out is approved and consented, and what it says stays") {
  ImportDefaults const approving{"shop.example", "2026-11-29T10:00:00Z"};
  auto const open = read_person_line(R"({"handle":"ann"})", approving).value();
  CHECK(open.status == "APPROVED");
  CHECK(open.deep_analysis_consent_at == "2026-11-29T10:00:00Z");
  auto const said =
      read_person_line(R"({"handle":"ann","status":"SUSPENDED","deep_analysis_consent_at":"2026-01-01T00:00:00Z"})",
                       approving)
          .value();
  CHECK(said.status == "SUSPENDED");
  CHECK(said.deep_analysis_consent_at == "2026-01-01T00:00:00Z");
}

TEST_CASE("a byte order mark in front of the first line is no part of it") {
  CHECK(read_person_line("\xEF\xBB\xBF{\"handle\":\"ann\"}", shop).value().handle == "ann");
}

TEST_CASE("a bad line names its field") {
  CHECK(field_of(R"({"narrative":"x"})") == "handle");
  CHECK(field_of(R"({"handle":"a\nb"})") == "handle");
  CHECK(field_of(R"({"handle":"a","narative":"x"})") == "narative");
  CHECK(field_of(R"({"handle":"a","narrative":")" + std::string(8001, 'x') + "\"}") == "narrative");
  CHECK(field_of(R"({"handle":"a"})", {}) == "domain");
  CHECK(read_person_line("text,category", shop).has_error());
  CHECK(read_person_line("[]", shop).has_error());
}
