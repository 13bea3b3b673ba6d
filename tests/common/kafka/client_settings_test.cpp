#include "kafka/client_settings.hpp"

#include <array>
#include <string>

#include <doctest/doctest.h>

namespace {

using namespace omnibus::kafka;

std::string value_of(Configuration const& configuration, char const* name) {
  std::array<char, 256> value{};
  std::size_t size = value.size();
  REQUIRE(rd_kafka_conf_get(configuration.get(), name, value.data(), &size) == RD_KAFKA_CONF_OK);
  return value.data();
}

ClientSettings with_options(std::string options) {
  ClientSettings settings;
  settings.options = omnibus::Secret(std::move(options));
  return settings;
}

std::string refusal(ClientSettings const& settings) {
  try {
    make_configuration(settings);
    return "accepted";
  } catch (Error const& error) {
    CHECK(error.code() == RD_KAFKA_RESP_ERR__INVALID_ARG);
    CHECK_FALSE(error.retriable());
    return error.what();
  }
}

}  // namespace

TEST_CASE("an operator's options reach librdkafka and win over our defaults") {
  auto const settings = with_options("reconnect.backoff.max.ms=777; sasl.password = a\\;b=c ;");
  auto const configuration = make_configuration(settings);
  CHECK(value_of(configuration, "reconnect.backoff.max.ms") == "777");
  CHECK(value_of(configuration, "sasl.password") == "a;b=c");
  set_default(configuration.get(), settings, "reconnect.backoff.max.ms", "5");
  CHECK(value_of(configuration, "reconnect.backoff.max.ms") == "777");
  set_default(configuration.get(), settings, "linger.ms", "4");
  CHECK(value_of(configuration, "linger.ms") == "4");
}

TEST_CASE("a refused option is named, its value is not shown") {
  CHECK(refusal(with_options("no.such.option=secret")) == "Kafka option no.such.option is not known to librdkafka");
  CHECK(refusal(with_options("socket.timeout.ms=secret")) ==
        "Kafka option socket.timeout.ms does not take the value given");
  CHECK(refusal(with_options("ssl.key.password")).find("has no name=value form") != std::string::npos);
  ClientSettings nowhere;
  nowhere.brokers.clear();
  CHECK(refusal(nowhere).find("set KAFKA_BROKERS") != std::string::npos);
}

TEST_CASE("errors tell whether trying again can help") {
  CHECK(Error(RD_KAFKA_RESP_ERR__MSG_TIMED_OUT).retriable());
  CHECK(Error(RD_KAFKA_RESP_ERR__QUEUE_FULL).retriable());
  CHECK(Error(RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS).retriable());
  CHECK_FALSE(Error(RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE).retriable());
  CHECK_FALSE(Error(RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED).retriable());
  CHECK(Error(RD_KAFKA_RESP_ERR__FATAL).fatal());
  CHECK(std::string(Error(RD_KAFKA_RESP_ERR__QUEUE_FULL, "record to t").what()).starts_with("record to t: "));
}

TEST_CASE("probing a cluster that is not there ends with a retriable error naming it") {
  ClientSettings settings;
  settings.brokers = "127.0.0.1:1";
  try {
    probe_cluster(settings, std::chrono::milliseconds(300));
    FAIL("no error");
  } catch (Error const& error) {
    CHECK(error.retriable());
    CHECK(std::string(error.what()).find("127.0.0.1:1") != std::string::npos);
  }
}
