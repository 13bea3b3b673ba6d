#include "database_fixture.hpp"
#include "postgres/deferred_records.hpp"

#include <array>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::postgres;
using namespace std::chrono_literals;

namespace {

/// A worker that owns partition 0 of its topic.
struct Owner {
  std::vector<bool> write(std::vector<DeferredRecord> records, std::vector<DeferredPlace> const& finished = {}) {
    std::array const writes{DeferredWrite{partition, epoch, std::move(records)}};
    return write_deferred(connection, "chat", writes, finished);
  }
  std::vector<DeferredRecord> read(std::uint64_t key_hash, std::int64_t most = 100) {
    std::array const queries{DeferredQuery{partition, key_hash, most}};
    return read_deferred(connection, "chat", queries).at(0);
  }
  std::vector<std::int64_t> offsets(std::uint64_t key_hash, std::int64_t most = 100) {
    std::vector<std::int64_t> found;
    for (auto const& record : read(key_hash, most)) found.push_back(record.offset);
    return found;
  }

  test::TestDatabase database;
  pqxx::connection connection{database.url_as("chat")};
  FencedPartition partition{"chat.messages", 0};
  std::int64_t epoch = take_over(connection, "chat", {partition}, "first").at(0);
};

DeferredRecord record(std::int64_t offset, std::uint64_t key_hash, std::uint32_t deferrals = 0) {
  DeferredRecord made;
  made.offset = offset;
  made.timestamp_ms = 1'000 + offset;
  made.key_hash = key_hash;
  made.bytes = 10;
  made.deferrals = deferrals;
  made.due = 5min;
  made.arrived = 10min;
  return made;
}

constexpr std::uint64_t a_key = 0xffff'ffff'ffff'fff0;

}  // namespace

TEST_CASE("the first records of a key come back in the order of their offsets, with what they went through") {
  Owner owner;
  auto first = record(5, a_key, 3);
  first.attempts = 2;
  first.first_failed = 9min;
  REQUIRE(owner.write({record(9, a_key), first, record(7, 8), record(6, a_key)}) == std::vector{true});
  CHECK(owner.offsets(a_key) == std::vector<std::int64_t>{5, 6, 9});
  CHECK(owner.offsets(a_key, 2) == std::vector<std::int64_t>{5, 6});
  CHECK(owner.offsets(8) == std::vector<std::int64_t>{7});
  auto const found = owner.read(a_key, 1).at(0);
  CHECK(found.timestamp_ms == 1'005);
  CHECK(found.attempts == 2);
  CHECK(found.deferrals == 3);
  CHECK(found.arrived >= 10min);
  CHECK(found.arrived < 11min);
  REQUIRE(found.first_failed);
  CHECK(*found.first_failed >= 9min);
  CHECK_FALSE(owner.read(8).at(0).first_failed);
  auto const keys = deferred_keys(owner.connection, "chat", {owner.partition, {"chat.messages", 1}});
  REQUIRE(keys.size() == 2);
  auto const& key = keys[0].key_hash == a_key ? keys[0] : keys[1];
  CHECK(key.records == 3);
  CHECK(key.due > 4min);
  CHECK(key.due <= 5min);
  CHECK(key.arrived >= 10min);
  CHECK(deferred_keys(owner.connection, "sms", {owner.partition}).empty());
}

TEST_CASE("a record that comes again changes its row only if it was deferred again, or is another one") {
  Owner owner;
  owner.write({record(5, a_key, 3)});
  owner.write({record(5, a_key)});
  CHECK(owner.read(a_key).at(0).deferrals == 3);
  owner.write({record(5, a_key, 4), record(5, a_key)});
  CHECK(owner.read(a_key).at(0).deferrals == 4);
  auto other = record(5, 8);
  other.timestamp_ms = 77;
  owner.write({other});
  CHECK(owner.read(a_key).empty());
  CHECK(owner.read(8).at(0).timestamp_ms == 77);
  // The end of the earlier one is not the end of this one.
  owner.write({}, {{owner.partition, 5, 1'005}});
  CHECK(owner.read(8).size() == 1);
  owner.write({}, {{owner.partition, 5, 77}});
  CHECK(owner.read(8).empty());
}

TEST_CASE("an owner that has lost its partition writes nothing of it, and what it owns is written") {
  Owner owner;
  FencedPartition const other{"chat.messages", 1};
  auto const others_epoch = take_over(owner.connection, "chat", {other}, "first").at(0);
  take_over(owner.connection, "chat", {owner.partition}, "second");
  std::array const writes{DeferredWrite{owner.partition, owner.epoch, {record(1, a_key, 1)}},
                          DeferredWrite{other, others_epoch, {record(2, a_key, 1)}}};
  CHECK(write_deferred(owner.connection, "chat", writes, {}) == std::vector{false, true});
  CHECK(owner.read(a_key).empty());
  CHECK(deferred_keys(owner.connection, "chat", {owner.partition, other}).size() == 1);
}
