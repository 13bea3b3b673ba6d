#include "workers/gateway/routes/incoming_event.hpp"

#include "workers/gateway/door/refusal.hpp"

#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;

namespace {

http::Request binary() {
  http::Request request;
  request.method = "POST";
  request.headers = {{"CE-SpecVersion", "1.0"},
                     {"ce-id", "a%20b"},
                     {"ce-source", "/widget"},
                     {"ce-type", "omnibus.chat.message.received.v1"},
                     {"ce-correlationid", "c1"},
                     {"Content-Type", "application/json"},
                     {"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                     {"Authorization", "Bearer secret"}};
  request.body = R"({"domain":"shop.example"})";
  return request;
}

Refusal refusal_of(http::Request const& request) {
  try {
    read_event(request);
  } catch (Refusal const& refusal) {
    return refusal;
  }
  return {0, "was taken"};
}

}  // namespace

TEST_CASE("an event in binary mode is its ce- headers and its body") {
  auto const event = read_event(binary());
  CHECK(event.envelope.id == "a b");
  CHECK(event.envelope.source == "/widget");
  CHECK(event.envelope.type == "omnibus.chat.message.received.v1");
  CHECK(event.envelope.correlation_id == "c1");
  CHECK(event.envelope.data_content_type == "application/json");
  CHECK(event.envelope.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
  CHECK(event.envelope.extensions.empty());
  CHECK(event.data == R"({"domain":"shop.example"})");
}

TEST_CASE("an event in structured mode is its body") {
  http::Request request;
  request.headers = {{"Content-Type", "Application/CloudEvents+JSON; charset=utf-8"}};
  request.body = R"({"specversion":"1.0","id":"1","source":"/w","type":"t.v1","data":{"a":1}})";
  auto const event = read_event(request);
  CHECK(event.envelope.id == "1");
  CHECK(event.data == R"({"a":1})");
}

TEST_CASE("a time that is none is refused by its name, one that is goes through as it was told") {
  auto request = binary();
  request.headers.add("ce-time", "2026-11-20T12:00:00.123456%2B02:00");
  CHECK(read_event(request).envelope.time == "2026-11-20T12:00:00.123456+02:00");
  for (auto const* wrong : {"yesterday", "2026-11-20", "2026-02-30T12:00:00Z", "2026-11-20T12:00:00", "1763640000"}) {
    CAPTURE(wrong);
    request.headers.set("ce-time", wrong);
    auto const refusal = refusal_of(request);
    CHECK(refusal.status == 400);
    CHECK(refusal.field == "ce-time");
    http::Request structured;
    structured.headers = {{"Content-Type", "application/cloudevents+json"}};
    structured.body =
        R"({"specversion":"1.0","id":"1","source":"/w","type":"t.v1","data":{},"time":")" + std::string(wrong) + "\"}";
    CHECK(refusal_of(structured).field == "time");
  }
}

TEST_CASE("a batch, or a format we do not know, is refused as such") {
  http::Request request;
  request.headers = {{"Content-Type", "application/cloudevents-batch+json"}};
  request.body = "[]";
  CHECK(refusal_of(request).status == 415);
  request.headers = {{"Content-Type", "application/cloudevents+avro"}};
  CHECK(refusal_of(request).status == 415);
}

TEST_CASE("the attribute that is missing or wrong is named as the sender calls it") {
  auto request = binary();
  request.headers.erase("ce-id");
  CHECK(refusal_of(request).field == "ce-id");
  request = binary();
  request.headers.set("ce-source", "%zz");
  CHECK(refusal_of(request).field == "ce-source");
  request = binary();
  request.headers.set("CE-SpecVersion", "0.3");
  CHECK(refusal_of(request).field == "ce-specversion");
  request = {};
  request.headers = {{"Content-Type", "application/cloudevents+json"}};
  request.body = R"({"specversion":"1.0","id":"1","source":"/w","data":{}})";
  CHECK(refusal_of(request).field == "type");
}

TEST_CASE("an event whose headers are in quotes is the same event as one without") {
  auto const plain = read_event(binary());
  auto quoted = binary();
  for (auto const& [name, value] : binary().headers)
    if (name.starts_with("ce-") || name.starts_with("CE-")) quoted.headers.set(name, '"' + value + '"');
  auto const event = read_event(quoted);
  CHECK(event.envelope == plain.envelope);
  CHECK(event_key(event.envelope) == event_key(plain.envelope));
  CHECK(event.data == plain.data);
}

TEST_CASE("an attribute in quotes loses them and its backslashes first, then its percents, once") {
  std::vector<std::pair<std::string, std::string>> const cases{
      {R"("abc-2")", "abc-2"},
      {R"("Euro \"zone\"")", R"(Euro "zone")"},
      {R"("a\\b")", R"(a\b)"},
      {R"("\a\b")", "ab"},
      {R"("a%20b")", "a b"},
      {R"("a\%20b")", "a b"},
      {R"("%22a%22")", R"("a")"},
      {R"("%5C%22")", R"(\")"},
      {R"("a%2520b")", "a%20b"},
      {R"("Z%C3%BCrich")", "Z\xC3\xBCrich"},
      {"\"Z\xC3\xBCrich\"", "Z\xC3\xBCrich"},
      {R"(" a ")", " a "},
      {R"("")", ""},
      {R"(Euro "zone")", R"(Euro "zone")"},
      {R"(%22a%22)", R"("a")"},
      {R"(a\b)", R"(a\b)"},
  };
  for (auto const& each : cases) {
    auto const& sent = each.first;
    auto const& meant = each.second;
    CAPTURE(sent);
    auto request = binary();
    request.headers.set("ce-subject", sent);
    CHECK(read_event(request).envelope.subject == meant);
    request.headers.erase("ce-subject");
    request.headers.set("ce-partitionkey", sent);
    auto const event = read_event(request);
    REQUIRE(event.envelope.extensions.size() == 1);
    CHECK(event.envelope.extensions[0].value == meant);
  }
}

TEST_CASE("quotes that do not enclose a whole attribute are refused by its name") {
  for (auto const* wrong : {R"(")", R"("a)", R"("a\")", R"("a\)", R"("a"b)", R"("a" "b")", R"("a""b")", R"("%zz")"}) {
    for (std::string const name : {"ce-id", "ce-source", "ce-type", "ce-specversion", "ce-time", "ce-mine"}) {
      CAPTURE(wrong);
      auto request = binary();
      request.headers.erase(name);
      request.headers.set(name, wrong);
      auto const refusal = refusal_of(request);
      CHECK(refusal.status == 400);
      CHECK(refusal.field == name);
    }
  }
}

TEST_CASE("an attribute that comes twice is refused, even empty, with the same value, or of another") {
  for (std::string const name : {"ce-id", "ce-source", "ce-type", "ce-specversion", "ce-correlationid", "ce-mine"}) {
    for (auto const* value : {"", "1.0", "a"}) {
      CAPTURE(name);
      auto request = binary();
      request.headers.add("Ce-Mine", "1.0");
      request.headers.add(name, value);
      auto const refusal = refusal_of(request);
      CHECK(refusal.status == 400);
      CHECK(refusal.field == name);
    }
  }
}

TEST_CASE("no tenant's event can be taken for another's, whatever its source says") {
  CHECK(tenant_source("shop.example", "/widget") == "/tenants/shop.example/%2Fwidget");
  CHECK(tenant_source("shop.example", "https://a.b/c?d") == "/tenants/shop.example/https%3A%2F%2Fa.b%2Fc%3Fd");
  CHECK(tenant_source("shop.example", "/omnibus/gateway") == "/tenants/shop.example/%2Fomnibus%2Fgateway");
  CHECK(tenant_source("shop.example", "/tenants/bank.example/x") ==
        "/tenants/shop.example/%2Ftenants%2Fbank.example%2Fx");
  CHECK(tenant_source("shop.example", "/tenants/shop.example/x") == "/tenants/shop.example/x");
}
