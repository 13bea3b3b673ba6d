#include "kafka/topics.hpp"

#include <string>

#include <doctest/doctest.h>

namespace {

using namespace std::chrono_literals;
using omnibus::kafka::TopicCatalog;
using omnibus::kafka::TopicsFileError;

constexpr auto sample = R"(topics:
  - name: orders
    key: order_id
    partitions: 3
    replication_factor: 2
    configs: { retention.ms: 60000, max.message.bytes: 2000000 }
    owner: shop
    pii: true
    events: [shop.order.placed.v1]
    consumers: [billing, report-daily]
    dead_letters: { retention.ms: 90000 }
)";

/// What the catalogue says to this text, "accepted" when it takes it.
std::string verdict(std::string const& yaml) {
  try {
    TopicCatalog::parse(yaml, "f");
    return "accepted";
  } catch (TopicsFileError const& error) {
    return error.what();
  }
}

std::string replaced(std::string const& from, std::string const& to) {
  std::string text = sample;
  return text.replace(text.find(from), from.size(), to);
}

}  // namespace

TEST_CASE("a topic is read whole, and its dead-letter topic derived from it") {
  auto const catalog = TopicCatalog::parse(sample);
  REQUIRE(catalog.topics().size() == 2);
  auto const* orders = catalog.find("orders");
  REQUIRE(orders != nullptr);
  CHECK(orders->key == "order_id");
  CHECK(orders->partitions == 3);
  CHECK(orders->replication_factor == 2);
  CHECK(orders->pii);
  CHECK(orders->retention() == 60'000ms);
  auto const* dead = catalog.find("orders.dlq");
  REQUIRE(dead != nullptr);
  CHECK(dead->dead_letter);
  CHECK(dead->partitions == 3);
  CHECK(dead->key == "order_id");
  CHECK(dead->retention() == 90'000ms);
  CHECK(dead->max_message_bytes() == 2000000 + 65536);
  CHECK(dead->events.empty());
}

TEST_CASE("topics are found by event type and by the worker that subscribes") {
  auto const catalog = TopicCatalog::parse(sample);
  REQUIRE(catalog.topic_of("shop.order.placed.v1") != nullptr);
  CHECK(catalog.topic_of("shop.order.placed.v1")->name == "orders");
  CHECK(catalog.topic_of("shop.order.placed.v2") == nullptr);
  REQUIRE(catalog.consumed_by("billing").size() == 1);
  CHECK(catalog.consumed_by("billing").front()->name == "orders");
  CHECK(catalog.consumed_by("nobody").empty());
}

TEST_CASE("the longest retention is that of dead letters where they are kept longer, and absent when one is for ever") {
  CHECK(TopicCatalog::parse(sample).longest_retention() == 90'000ms);
  CHECK_FALSE(TopicCatalog::parse(replaced("retention.ms: 60000", "retention.ms: -1")).longest_retention());
  CHECK_FALSE(TopicCatalog::parse(replaced("retention.ms: 60000", "retention.bytes: 5")).longest_retention());
}

TEST_CASE("a topic without a limit keeps only its own worker's past, and its dead letters count too") {
  auto const other = std::string(sample) + R"(  - name: config
    key: name
    partitions: 1
    replication_factor: 2
    configs: { cleanup.policy: compact }
    owner: shop
    pii: false
    events: [shop.config.changed.v1]
    consumers: [pricing]
)";
  auto const catalog = TopicCatalog::parse(other);
  CHECK_FALSE(catalog.longest_retention());
  CHECK_FALSE(catalog.longest_retention("pricing"));
  CHECK(catalog.longest_retention("billing") == 90'000ms);
  CHECK(catalog.longest_retention("nobody") == 0ms);
  auto const shorter = TopicCatalog::parse(replaced("retention.ms: 90000", "retention.ms: 30000"));
  CHECK(shorter.longest_retention("billing") == 60'000ms);
}

TEST_CASE("the built-in catalogue holds every topic of chat with its dead letters, all kept for a finite time") {
  auto const& catalog = TopicCatalog::built_in();
  for (auto const* name : {"chat.messages", "chat.replies", "llm.calls"}) {
    CAPTURE(name);
    auto const* topic = catalog.find(name);
    REQUIRE(topic != nullptr);
    CHECK(topic->key == "conversation_id");
    auto const* dead = catalog.find(omnibus::kafka::dead_letter_topic(name));
    REQUIRE(dead != nullptr);
    CHECK(dead->max_message_bytes() >= topic->max_message_bytes() + 65536);
  }
  CHECK(catalog.find("chat.messages")->partitions == 12);
  CHECK(catalog.longest_retention().has_value());
  CHECK(catalog.consumed_by("chat").size() == 1);
  CHECK(catalog.consumed_by("gateway").size() == 2);  // replies, and turns of agents
}

TEST_CASE(
    "a topic is written in the codec of its compression.type, and so are its dead letters unless they have another") {
  auto const codec = [](std::string const& type) {
    return TopicCatalog::parse(replaced("retention.ms: 60000", "compression.type: " + type)).find("orders")->codec();
  };
  CHECK_FALSE(TopicCatalog::parse(sample).find("orders")->codec());
  CHECK_FALSE(codec("producer"));
  CHECK(codec("uncompressed") == "none");
  for (auto const* type : {"gzip", "snappy", "lz4", "zstd"}) CHECK(codec(type) == type);
  auto const both = TopicCatalog::parse(replaced("retention.ms: 60000", "compression.type: gzip"));
  CHECK(both.find("orders.dlq")->codec() == "gzip");
  auto const dead = TopicCatalog::parse(replaced("retention.ms: 90000", "compression.type: gzip"));
  CHECK_FALSE(dead.find("orders")->codec());
  CHECK(dead.find("orders.dlq")->codec() == "gzip");
}

TEST_CASE(
    "other teams' programs can read every answer, result, model call and dead letter, whatever codecs they have") {
  for (auto const& topic : TopicCatalog::built_in().topics()) {
    auto const name = topic.name;
    CAPTURE(name);
    if (topic.dead_letter || name == "chat.replies" || name == "llm.calls" || name == "notifications.results")
      CHECK(topic.codec() == "gzip");
  }
}

TEST_CASE("what is wrong with a topics file is said with its line") {
  CHECK(verdict(sample) == "accepted");
  CHECK(verdict(replaced("name: orders", "name: Orders")) ==
        "f:2: topic name Orders has other characters than a-z 0-9 . -");
  CHECK(verdict(replaced("name: orders", "name: ''")) == "f:2: name is empty");
  CHECK(verdict(replaced("partitions: 3", "partitions: 0")) == "f:4: partitions is not a number from 1 to 1000");
  CHECK(verdict(replaced("partitions: 3", "partitions: 1001")) == "f:4: partitions is not a number from 1 to 1000");
  CHECK(verdict(replaced("partitions: 3", "partitions: 3x")) == "f:4: partitions is not a number from 1 to 1000");
  CHECK(verdict(replaced("partitions: 3", "partitions: [3]")) == "f:4: partitions is not a number from 1 to 1000");
  CHECK(verdict(replaced("pii: true", "pii: yes")) == "f:8: pii is neither true nor false");
  CHECK(verdict(replaced("    pii: true\n", "")) == "f:2: topic orders has no pii");
  CHECK(verdict(replaced("owner: shop", "colour: blue")) == "f:7: a topic knows no colour");
  CHECK(verdict(replaced("owner: shop", "partitions: 4")) == "f:7: a topic has partitions twice");
  CHECK(verdict(replaced("retention.ms: 60000", "retention.msec: 60000")) == "f:6: configs knows no retention.msec");
  CHECK(verdict(replaced("retention.ms: 60000", "retention.ms: 1 day")) == "f:6: retention.ms is not a whole number");
  CHECK(verdict(replaced("placed.v1", "placed")) ==
        "f:9: event type shop.order.placed is not lower case ending in .v and a number");
  CHECK(verdict(replaced("[billing, ", "[billing, billing, ")) == "f:10: consumers has billing twice");
  CHECK(verdict(replaced("retention.ms: 90000", "max.message.bytes: 2000001")) ==
        "f:11: max.message.bytes of dead letters is at least 2065536");
  CHECK(verdict(replaced("max.message.bytes: 2000000", "max.message.bytes: 1000"))
            .starts_with("f:6: max.message.bytes is at least 1048576"));
  CHECK(verdict(replaced("max.message.bytes: 2000000", "max.message.bytes: 9223372036854775807")) ==
        "f:6: max.message.bytes is at most 1073741824");
  CHECK(verdict(replaced("retention.ms: 60000", "compression.type: lzma")) ==
        "f:6: compression.type is one of producer, uncompressed, gzip, snappy, lz4, zstd");
  CHECK(verdict("topics: []") == "f:1: holds no topics");
  CHECK(verdict("") == "f:1: the file is not a mapping with the key topics");
  CHECK(verdict("[1, 2]") == "f:1: the file is not a mapping with the key topics");
  CHECK(verdict("subjects: []").starts_with("f:1: the file knows no subjects"));
}

TEST_CASE("what tenants may publish is listed by its topic, among its events, and not by its dead letters") {
  auto const with = [](std::string const& line) {
    return replaced("events: [shop.order.placed.v1]",
                    "events: [shop.order.placed.v1, shop.order.paid.v1]\n    " + line);
  };
  auto const catalog = TopicCatalog::parse(with("from_outside: [shop.order.placed.v1]"));
  CHECK(catalog.find("orders")->takes_from_outside("shop.order.placed.v1"));
  CHECK_FALSE(catalog.find("orders")->takes_from_outside("shop.order.paid.v1"));
  CHECK_FALSE(catalog.find("orders")->takes_from_outside(""));
  CHECK(catalog.find("orders.dlq")->from_outside.empty());
  CHECK(TopicCatalog::parse(sample).find("orders")->from_outside.empty());
  auto const before_its_events = replaced("name: orders", "name: orders\n    from_outside: [shop.order.placed.v1]");
  CHECK(TopicCatalog::parse(before_its_events).find("orders")->takes_from_outside("shop.order.placed.v1"));

  CHECK(verdict(with("from_outside: []")) == "accepted");
  CHECK(verdict(with("from_outside: [shop.order.placed.v2]")) ==
        "f:10: from_outside has shop.order.placed.v2, which is not among the events of topic orders");
  CHECK(verdict(with("from_outside: [shop.order.placed.v1, shop.order.placed.v1]")) ==
        "f:10: from_outside has shop.order.placed.v1 twice");
  CHECK(verdict(with("from_outside: true")) == "f:10: from_outside is not a list");
  CHECK(verdict(with("from_outside: shop.order.placed.v1")) == "f:10: from_outside is not a list");
  CHECK(verdict(with("from_outside: ~")) == "f:10: from_outside is not a list");
  CHECK(verdict(with("from_outside: { shop.order.placed.v1: true }")) == "f:10: from_outside is not a list");
  CHECK(verdict(with("from_outside: ['']")) == "f:10: an item of from_outside is empty");
  CHECK(verdict(with("from_outside: [[shop.order.placed.v1]]")) == "f:10: an item of from_outside is not a text");
  CHECK(verdict(with("from_outside: [ALL]")) ==
        "f:10: from_outside has ALL, which is not among the events of topic orders");
}

TEST_CASE("one name or event type belongs to one topic") {
  std::string const again(std::string_view(sample).substr(8));
  CHECK(verdict(sample + again) == "f:19: event type shop.order.placed.v1 is of topic orders already");
  std::string other = again;
  other.replace(other.find("placed"), 6, "closed");
  CHECK(verdict(sample + other) == "f:12: topic orders is there twice");
  std::string const clash =
      "  - { name: orders.dlq, partitions: 1, owner: a, pii: false, events: [], consumers: [] }\n";
  CHECK(verdict(sample + clash) == "f:12: topic orders.dlq is there twice");
}

TEST_CASE("a hostile topics file is refused, not suffered") {
  CHECK(verdict("a: &a [x, x]\nb: [*a, *a]") == "f:1: anchors are not taken here");
  CHECK(verdict("topics: !!binary aGk=") == "f:1: tags are not taken here");
  CHECK(verdict("topics: []\n---\ntopics: []") == "f:2: holds more than one document");
  CHECK(verdict(std::string(100'000, '[')).find("nested deeper than") != std::string::npos);
  CHECK(verdict(std::string(100'000, '{')).starts_with("f:"));
  CHECK(verdict(std::string((1 << 20) + 1, ' ')).find("1048576 are the most") != std::string::npos);
  CHECK(verdict(std::string("topics: \0", 9)) == "f:1: holds a NUL byte");
  CHECK(verdict("topics: [\"unclosed").starts_with("f:"));
  std::string many = "topics:\n";
  for (int i = 0; i < 1001; ++i) many += "  - {}\n";
  CHECK(verdict(many) == "f:2: holds more than 1000 topics");
  CHECK(verdict("\t- x: :\n\xff\xfe").starts_with("f:"));
}

TEST_CASE("topics with personal data, and their dead letters, close segments daily and take no record of the future") {
  std::size_t personal = 0;
  for (auto const& topic : TopicCatalog::built_in().topics()) {
    if (!topic.pii) continue;
    CAPTURE(topic.name);
    ++personal;
    CHECK(std::stoll(topic.configs.at("segment.ms")) <= 86'400'000);
    CHECK(std::stoll(topic.configs.at("message.timestamp.after.max.ms")) <= 3'600'000);
  }
  CHECK(personal > 10);
}

TEST_CASE("a topic with personal data may say less than the limits, and not more") {
  std::string const yaml =
      "topics:\n  - { name: t, partitions: 1, owner: a, pii: true, events: [], consumers: [], configs: { segment.ms: "
      "VALUE } }\n";
  auto const with = [&](std::string const& value) {
    auto text = yaml;
    return TopicCatalog::parse(text.replace(text.find("VALUE"), 5, value), "f").find("t")->configs.at("segment.ms");
  };
  CHECK(with("3600000") == "3600000");
  for (auto const* value : {"604800000", "0", "-1"})
    CHECK_THROWS_WITH_AS(with(value), "f:2: segment.ms of topic t is from 1 to 86400000: it carries personal data",
                         TopicsFileError);
}
