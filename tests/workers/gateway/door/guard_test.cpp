#include "workers/gateway/door/guard.hpp"

#include "kafka/error.hpp"
#include "postgres/pool.hpp"
#include "workers/gateway/door/idempotency.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <stdexcept>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::chrono_literals;

namespace {

http::Response answer_of(http::Handler const& handler, http::Request const& request) {
  boost::asio::io_context context;
  auto answer = boost::asio::co_spawn(context, handler(request), boost::asio::use_future);
  context.run();
  return answer.get();
}

}  // namespace

TEST_CASE("a refusal becomes a problem that names the field") {
  auto const response = refuse(Refusal::invalid("text", "text must be a string"));
  CHECK(response.status == 400);
  CHECK(response.headers.find("Content-Type") == "application/problem+json");
  CHECK(response.body.find(R"("field":"text")") != std::string::npos);
}

TEST_CASE("whoever is asked to come back is told when, in whole seconds") {
  CHECK(refuse(Refusal(429, "Too many", {}, {}, 100ms)).headers.find("Retry-After") == "1");
  CHECK(refuse(Refusal::unavailable("", 1001ms)).headers.find("Retry-After") == "2");
  CHECK(refuse(Refusal::no_conversation()).headers.find("Retry-After") == std::nullopt);
}

TEST_CASE("a 401 says how to authenticate") {
  CHECK(refuse(Refusal(401, "")).headers.find("WWW-Authenticate") == "Bearer realm=\"omnibus\"");
}

TEST_CASE("an outage behind us is a 503, what nobody foresaw a 500 that tells nothing") {
  CHECK(refuse(pqxx::broken_connection("no server")).status == 503);
  CHECK(refuse(postgres::PoolUnavailable("full")).status == 503);
  CHECK(refuse(kafka::Error(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT)).status == 503);
  auto const response = refuse(std::runtime_error("the inside"));
  CHECK(response.status == 500);
  CHECK(response.body.find("inside") == std::string::npos);
}

TEST_CASE("every answer carries a request id and the security headers") {
  auto const handler = guarded("/x", [](http::Request const&) -> Task<http::Response> { throw Refusal(404, "no"); });
  http::Request request;
  request.headers = {{"X-Request-Id", "abc-1"}};
  auto response = answer_of(handler, request);
  CHECK(response.status == 404);
  CHECK(response.headers.find("X-Request-Id") == "abc-1");
  CHECK(response.headers.find("X-Content-Type-Options") == "nosniff");
  request.headers.set("X-Request-Id", "not \" sane");
  response = answer_of(handler, request);
  CHECK(response.headers.find("X-Request-Id")->size() == 36);
}

TEST_CASE("a domain's key stands for one event, everywhere") {
  CHECK(event_id_of("shop.example", "k") == event_id_of("shop.example", "k"));
  CHECK(event_id_of("shop.example", "k") != event_id_of("bank.example", "k"));
  CHECK(event_id_of("shop.example", "k") != event_id_of("shop.example", "l"));
  CHECK((event_id_of("shop.example", "k").bytes[6] >> 4) == 5);
}

TEST_CASE("an Idempotency-Key is visible ASCII of a bounded length") {
  CHECK(check_idempotency_key("order-1:\"x\"") == "order-1:\"x\"");
  for (auto const& key : {std::string(), std::string("a b"), std::string("\xc3\xa9"), std::string(256, 'k')})
    CHECK_THROWS_AS(check_idempotency_key(key), Refusal);
}

TEST_CASE("fingerprints tell requests apart, also where their parts run together") {
  CHECK(fingerprint({"a", "bc"}) == fingerprint({"a", "bc"}));
  CHECK(fingerprint({"a", "bc"}) != fingerprint({"ab", "c"}));
}

TEST_CASE("what is refused before the body has an id and the headers of every answer") {
  auto const answer = [](http::Doorkeeper const& door) {
    http::Request request;
    request.headers.add("X-Request-Id", "r-1");
    boost::asio::io_context context;
    auto asked = boost::asio::co_spawn(context, door(request), boost::asio::use_future);
    context.run();
    return asked.get();
  };
  auto const refused = answer(guarded_door([](http::Request const&) -> Task<> {
    throw Refusal(401, "A bearer token is needed");
    co_return;
  }));
  REQUIRE(refused);
  CHECK(refused->status == 401);
  CHECK(refused->headers.find("X-Request-Id") == "r-1");
  CHECK(refused->headers.contains("X-Content-Type-Options"));
  CHECK_FALSE(answer(guarded_door([](http::Request const&) -> Task<> { co_return; })));
}
