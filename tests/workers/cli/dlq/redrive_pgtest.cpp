// Letters that an engine wrote, sent again: each once, in the order of its key, whatever ends in between.
#include "events/conversation.hpp"
#include "failing.hpp"
#include "json/encode.hpp"
#include "postgres/outbox_publishing.hpp"

#include <algorithm>
#include <set>
#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::engine;
using namespace omnibus::engine::test;
using namespace std::chrono_literals;
using cli::RedriveSettings;
using cli::test::Failing;
using postgres::LetterAction;

TEST_CASE("letters are redriven once, handled once and in the order of their keys; the record is the original") {
  constexpr int keys = 7;
  constexpr int per_key = 6;
  Broker broker;
  Failing failing{broker};
  auto const events = numbered_events(failing.topic, keys, per_key);
  REQUIRE(publish(broker, events));
  REQUIRE(failing.await_letters(keys * per_key));

  CHECK(failing.redrive({.dry_run = true}).acted == keys * per_key);
  CHECK(failing.database.number("SELECT count(*) FROM pipeline.dead_letter_actions") == 0);

  failing.fixed = true;
  CHECK(failing.redrive().acted == keys * per_key);
  REQUIRE(failing.database.await_effects(keys * per_key));
  auto const again = failing.redrive();
  CHECK(again.acted == 0);
  CHECK(again.taken == keys * per_key);
  for (auto const& [key, values] : failing.database.by_key()) CHECK(values == numbers(per_key));
  CHECK(failing.database.outbox() == 0);

  auto const records = read_all(broker, failing.topic, 2 * events.size());
  REQUIRE(records.size() == 2 * events.size());
  std::set<std::string> origins;
  for (auto const& original : events) {
    auto const is_copy = [&](auto const& record) {
      return header_of(record, "ce_id") == header_of(original, "ce_id") &&
             !header_of(record, "omnibus-redrive").empty();
    };
    REQUIRE(std::ranges::count_if(records, is_copy) == 1);
    auto const copy = *std::ranges::find_if(records, is_copy);
    CHECK(copy.key == original.key);
    CHECK(copy.value == original.value);
    auto expected = original.headers;
    expected.push_back({"omnibus-redrive", "1"});
    auto const origin = parse_origin(header_of(copy, "omnibus-origin"));
    REQUIRE(origin);
    CHECK(origin->where.topic == failing.topic);
    CHECK(origin->where.partition == copy.partition);
    origins.insert(header_of(copy, "omnibus-origin"));
    expected.push_back({"omnibus-origin", header_of(copy, "omnibus-origin")});
    CHECK(copy.headers == expected);
  }
  CHECK(origins.size() == events.size());
}

TEST_CASE("two operators at once: each letter goes once, and the order of every key is kept") {
  constexpr int keys = 12;
  constexpr int per_key = 5;
  Broker broker;
  Failing failing{broker, 3};
  REQUIRE(publish(broker, numbered_events(failing.topic, keys, per_key)));
  REQUIRE(failing.await_letters(keys * per_key));
  failing.fixed = true;
  std::atomic<std::size_t> acted{0};
  {
    pqxx::connection before{failing.database.url_as("operator")};
    auto held = std::make_optional<postgres::PartitionTurn>(before, failing.letters(), 0);
    std::vector<std::jthread> operators;
    for (int i = 0; i < 3; ++i) operators.emplace_back([&] { acted += failing.redrive().acted; });
    // All three have seen every letter open before the first may begin.
    REQUIRE(failing.database.await(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'", 3));
    held.reset();
  }
  CHECK(acted == keys * per_key);
  REQUIRE(failing.database.await_effects(keys * per_key));
  for (auto const& [key, values] : failing.database.by_key()) CHECK(values == numbers(per_key));
  for (auto const& [id, times] : failing.published(2 * keys * per_key)) CHECK(times == 2);
}

TEST_CASE("letters taken and not sent are sent by the next redrive, before anything else") {
  constexpr int per_key = 4;
  Broker broker;
  Failing failing{broker, 1};
  REQUIRE(publish(broker, numbered_events(failing.topic, 2, per_key)));
  REQUIRE(failing.await_letters(2 * per_key));
  failing.fixed = true;
  {
    kafka::ClientSettings nowhere;
    nowhere.brokers = "127.0.0.1:1";
    kafka::ProducerSettings hasty;
    hasty.message_timeout = 200ms;
    kafka::Producer producer{nowhere, hasty};
    CHECK_THROWS_WITH_AS(failing.redrive({}, &producer), doctest::Contains("outbox"), std::runtime_error);
  }
  // At most one of each key: what follows has to wait for it.
  auto const taken = static_cast<std::size_t>(failing.database.outbox());
  CHECK((taken == 1 || taken == 2));
  CHECK(failing.database.await("SELECT count(*) FROM pipeline.dead_letter_actions", static_cast<std::int64_t>(taken)));
  auto const next = failing.redrive();
  CHECK(next.left_over == taken);
  CHECK(next.acted == 2 * per_key - taken);
  REQUIRE(failing.database.await_effects(2 * per_key));
  for (auto const& [key, values] : failing.database.by_key()) CHECK(values == numbers(per_key));
  for (auto const& [id, times] : failing.published(4 * per_key)) CHECK(times == 2);
}

TEST_CASE(
    "a letter waits for an earlier one of its key that stays behind, until that is dropped or order is given up") {
  Broker broker;
  Failing failing{broker, 1};
  REQUIRE(publish(broker, numbered_events(failing.topic, 1, 4)));
  REQUIRE(failing.await_letters(4));
  failing.fixed = true;
  auto const later = failing.redrive({.selection = {.offsets = {2, 2}}});
  CHECK(later.acted == 0);
  CHECK(later.waiting == 1);
  CHECK(failing.told.at("0/2").find("waits for 0/0") == 0);
  CHECK(failing.redrive({.action = LetterAction::dropped, .selection = {.offsets = {0, 1}}}).acted == 2);
  CHECK(failing.redrive({.selection = {.offsets = {2, 2}}}).acted == 1);
  CHECK(failing.redrive({.selection = {.offsets = {0, 1}}}).taken == 2);
  REQUIRE(publish(broker, {event(failing.topic, "key-0", 9)}));
  REQUIRE(failing.database.await_effects(2));
  CHECK(failing.database.by_key()["key-0"] == std::vector<std::string>{"2", "9"});
  failing.fixed = false;
  REQUIRE(publish(broker, {event(failing.topic, "key-0", 10)}));
  REQUIRE(failing.await_letters(5));
  CHECK(failing.redrive({.selection = {.offsets = {4, 4}}}).waiting == 1);
  CHECK(failing.redrive({.selection = {.offsets = {4, 4}}, .skip_order = true}).acted == 1);
}

TEST_CASE("a limit holds, and a rate") {
  Broker broker;
  Failing failing{broker};
  REQUIRE(publish(broker, numbered_events(failing.topic, 8, 1)));
  REQUIRE(failing.await_letters(8));
  failing.fixed = true;
  CHECK(failing.redrive({.limit = 3}).acted == 3);
  CHECK(failing.redrive().acted == 5);
  REQUIRE(failing.database.await_effects(8));
  failing.fixed = false;
  REQUIRE(publish(broker, numbered_events(failing.topic, 1, 6)));
  REQUIRE(failing.await_letters(14));
  auto const paced = Clock::now();
  CHECK(failing.redrive({.rate = 20}).acted == 6);  // one key: one at a time, 50 ms apart
  CHECK(Clock::now() - paced >= 250ms);
}

TEST_CASE("an event that fails again is a new letter that counts its redrives") {
  Broker broker;
  Failing failing{broker, 1};
  REQUIRE(publish(broker, {event(failing.topic, "key", 0)}));
  REQUIRE(failing.await_letters(1));
  CHECK(failing.redrive().acted == 1);
  REQUIRE(failing.await_letters(2));
  CHECK(failing.redrive().acted == 1);
  REQUIRE(failing.await_letters(3));
  auto const letters = read_all(broker, failing.letters(), 3);
  CHECK(header_of(letters[0], "omnibus-redrive").empty());
  CHECK(header_of(letters[1], "omnibus-redrive") == "1");
  CHECK(header_of(letters[2], "omnibus-redrive") == "2");
  CHECK(header_of(letters[2], "error.worker") == worker_name);
  CHECK(header_of(letters[2], "error.offset") == "2");
  CHECK(header_of(letters[2], "omnibus-origin") == failing.topic + "/0/0");
  failing.fixed = true;
  CHECK(failing.redrive().acted == 1);
  REQUIRE(failing.database.await_effects(1));
}

TEST_CASE("a letter about somebody who was erased is not redriven, and one of a new person is") {
  Broker broker;
  Failing failing{broker, 1};
  auto const message = [&](std::string const& session) {
    ChatMessageReceived const data{"shop.example", session, "Hello", {}};
    return to_binary_record(originate("/test", data.type), json::encode(data), failing.topic, session);
  };
  REQUIRE(publish(broker, {message("gone"), message("other"), message("gone")}));
  REQUIRE(failing.await_letters(3));
  auto const gone = alias(conversation_id_of("shop.example", "gone")).text();
  failing.database.execute("INSERT INTO pipeline.erasures (subject_key, domain, request_id, positions) VALUES ('" +
                           gone + "', 'shop.example', gen_random_uuid(), '{\"" + failing.topic + "\": {\"0\": 2}}')");
  failing.fixed = true;
  auto const report = failing.redrive({.skip_order = true});
  CHECK(report.acted == 2);
  CHECK(report.refused == 1);
  CHECK(std::ranges::count_if(failing.told,
                              [](auto const& each) { return each.second.find("erased") != std::string::npos; }) == 1);
  REQUIRE(failing.database.await_effects(2));
  CHECK(failing.redrive({.action = LetterAction::dropped}).acted == 1);
}

TEST_CASE("a letter that lies in its topic twice is one letter, which nobody handles twice") {
  Broker broker;
  Failing failing{broker, 1};
  REQUIRE(publish(broker, {event(failing.topic, "key", 0)}));
  REQUIRE(failing.await_letters(1));
  auto twice = read_all(broker, failing.letters(), 1);
  REQUIRE(publish(broker, twice));
  failing.fixed = true;
  CHECK(failing.redrive({.limit = 1}).acted == 1);
  REQUIRE(failing.database.await_effects(1));
  auto const second = failing.redrive();
  CHECK(second.acted == 0);
  CHECK(second.taken == 2);
}

TEST_CASE("what is no event is sent again as it was; what nobody could send says why") {
  Broker broker;
  Failing failing{broker, 1};
  kafka::Record const no_event{failing.topic, "key", "\xff no JSON", {{"x", std::nullopt}, {"x", "2"}}, {}};
  REQUIRE(publish(broker, {no_event}));
  REQUIRE(failing.await_letters(1));
  CHECK(failing.redrive().acted == 1);
  REQUIRE(failing.await_letters(2));
  auto const records = read_all(broker, failing.topic, 2);
  CHECK(records[1].value == no_event.value);
  CHECK(records[1].headers ==
        std::vector<Header>{
            {"x", std::nullopt}, {"x", "2"}, {"omnibus-redrive", "1"}, {"omnibus-origin", failing.topic + "/0/0"}});

  auto nobodys = event(failing.letters(), "other", 1);
  nobodys.headers.push_back({"error.class", "old"});
  auto full = event(failing.letters(), "full", 1);
  full.headers.push_back({"error.worker", "test"});
  while (full.headers.size() < 257) full.headers.push_back({"x", "y"});  // 256 of its own
  auto large = event(failing.letters(), "large", 1);
  large.headers.push_back({"error.worker", "test"});
  large.value = std::string(1'048'600, 'x');
  REQUIRE(publish(broker, {nobodys, full, large}));
  auto const report = failing.redrive({.selection = {.offsets = {2, 4}}});
  CHECK(report.refused == 3);
  CHECK(failing.told.at("0/2").find("error.worker") != std::string::npos);
  CHECK(failing.told.at("0/3").find("headers") != std::string::npos);
  CHECK(failing.told.at("0/4").find("max.message.bytes") != std::string::npos);
}
