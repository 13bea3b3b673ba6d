// Admission of events about people who are or were erased.
#include "database_fixture.hpp"
#include "postgres/dead_letters.hpp"
#include "postgres/erasures.hpp"
#include "postgres/fence.hpp"
#include "postgres/inbox.hpp"
#include "postgres/unit.hpp"

#include <algorithm>
#include <future>
#include <thread>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::postgres;

namespace {

SubjectKey person(std::uint8_t number) {
  SubjectKey key;
  key.bytes.fill(number);
  return key;
}

/// Nobody may do more than wait: what is about people must not touch them.
void must_not_run(OpenUnit&) {
  FAIL("it ran");
}

/// A worker that has taken partitions of its topic over, and a database in which people are erased.
struct Admission {
  Admission() : connection{database.url_as("chat")}, gdpr{database.url_as("gdpr")} {
    execute("CREATE TABLE effects (event_id text); GRANT ALL ON effects TO omnibus_chat");
    epochs = take_over(connection, "chat", {{"chat.messages", 0}, {"chat.messages", 1}}, "first");
  }

  /// An event at this offset of partition 0 about these people.
  AdmitKey event(std::int64_t offset, std::initializer_list<SubjectKey> people) const {
    AdmitKey key{"chat", {}, random_uuid(), "chat.messages", 0, epochs[0]};
    key.about = {Subjects(people), "chat.messages", 0, offset};
    return key;
  }

  void begin(std::initializer_list<SubjectKey> people, std::initializer_list<SubjectKey> for_good = {},
             Uuid request = random_uuid()) {
    pqxx::work transaction{gdpr};
    begin(transaction, people, for_good, request);
    transaction.commit();
  }
  static void begin(pqxx::transaction_base& transaction, std::initializer_list<SubjectKey> people,
                    std::initializer_list<SubjectKey> for_good = {}, Uuid request = random_uuid()) {
    transaction.exec("SELECT pipeline.begin_erasure($1::uuid, 'shop.example', $2::text[], $3::text[])",
                     pqxx::params{to_string(request), texts(people), texts(for_good)});
  }
  void set_positions(std::initializer_list<SubjectKey> people,
                     std::string const& positions = R"({"chat.messages": {"0": 10}})") {
    pqxx::work transaction{gdpr};
    transaction.exec("SELECT pipeline.set_erasure_positions($1::text[], $2::jsonb)",
                     pqxx::params{texts(people), positions});
    transaction.commit();
  }
  void erase(std::initializer_list<SubjectKey> people) {
    begin(people);
    set_positions(people);
  }

  CommitOutcome admit(AdmitKey const& key) { return run_unit(connection, key, effect(key)).outcome; }
  std::vector<CommitOutcome> admit_each(std::vector<AdmitKey> const& keys) {
    std::vector<Unit> units;
    for (auto const& key : keys) units.push_back({key, effect(key), nullptr});
    std::vector<Unit const*> pointers;
    for (auto const& unit : units) pointers.push_back(&unit);
    std::vector<CommitOutcome> outcomes;
    for (auto const& result : run_units(connection, pointers)) outcomes.push_back(result.outcome);
    return outcomes;
  }
  CommitResult admit_all(std::vector<AdmitKey> const& keys) {
    BatchKey batch{"chat", {}, {{"chat.messages", 0, epochs[0]}}, {}, true, {}};
    for (auto const& key : keys) {
      batch.event_ids.push_back(key.event_id);
      batch.about.push_back(key.about);
    }
    return run_batch_unit(connection, batch, [&](OpenUnit& unit, std::vector<bool> const& is_new) {
      for (std::size_t i = 0; i < keys.size(); ++i)
        if (is_new[i]) effect(keys[i])(unit);
    });
  }

  static std::function<void(OpenUnit&)> effect(AdmitKey const& key) {
    return [event = to_string(key.event_id)](OpenUnit& unit) {
      unit.transaction().exec("INSERT INTO effects VALUES ($1)", pqxx::params{event});
      unit.publish({"chat.replies", "key", "value", {}, std::nullopt});
    };
  }

  std::int64_t count(std::string const& table) const {
    pqxx::connection reader{database.url()};
    return pqxx::nontransaction{reader}.query_value<std::int64_t>("SELECT count(*) FROM " + table);
  }
  std::int64_t effects() const { return count("effects"); }
  std::int64_t inbox() const { return count("pipeline.inbox"); }
  void execute(std::string const& sql) const {
    pqxx::connection admin{database.url()};
    pqxx::nontransaction{admin}.exec(sql);
  }
  static std::vector<std::string> texts(std::initializer_list<SubjectKey> people) {
    std::vector<std::string> texts;
    for (auto const& each : people) texts.push_back(each.text());
    return texts;
  }

  test::TestDatabase database;
  pqxx::connection connection;
  pqxx::connection gdpr;
  std::vector<std::int64_t> epochs;
};

using enum CommitOutcome;

}  // namespace

TEST_CASE("an event before its person's erasure leaves an inbox row and nothing else; a later one is a new person's") {
  Admission admission;
  admission.erase({person(1)});
  auto const before = admission.event(9, {person(1)});
  CHECK(admission.admit(before) == erased);
  CHECK(admission.effects() + admission.count("pipeline.outbox") == 0);
  CHECK(was_processed(admission.connection, "chat", {}, before.event_id));
  CHECK(admission.admit(before) == duplicate);
  CHECK(admission.admit(admission.event(10, {person(1)})) == committed);
  CHECK(admission.admit(admission.event(9, {person(2)})) == committed);
  CHECK(admission.admit(admission.event(9, {})) == committed);
  CHECK(admission.effects() == 3);
}

TEST_CASE("positions are those of the record's partition; one that is not among them has nothing of the person") {
  Admission admission;
  admission.begin({person(1)});
  admission.set_positions({person(1)}, R"({"chat.messages": {"0": 10, "1": 3}, "other": {"0": 100}})");
  auto key = admission.event(5, {person(1)});
  CHECK(admission.admit(key) == erased);
  for (auto const& [topic, partition, offset, expected] : {std::tuple{"chat.messages", 1, 2, erased},
                                                           {"chat.messages", 1, 3, committed},
                                                           {"chat.messages", 2, 0, committed},
                                                           {"other", 0, 99, erased},
                                                           {"chat.messages.dlq", 0, 0, committed}}) {
    CAPTURE(topic);
    CAPTURE(partition);
    key.event_id = random_uuid();
    key.about.topic = topic;
    key.about.partition = partition;
    key.about.offset = offset;
    CHECK(admission.admit(key) == expected);
  }
}

TEST_CASE("while an erasure runs, what is about the person leaves no trace and may come again") {
  Admission admission;
  admission.begin({person(1)});
  auto const before = admission.event(9, {person(1)});
  auto const later = admission.event(10, {person(1)});
  CHECK(admission.admit(before) == erasing);
  CHECK(admission.admit(later) == erasing);
  CHECK(admission.inbox() == 0);
  admission.set_positions({person(1)});
  CHECK(admission.admit(before) == erased);
  CHECK(admission.admit(later) == committed);
  CHECK(admission.effects() == 1);
}

TEST_CASE("a key that never returns is refused at every position, from the beginning on") {
  Admission admission;
  admission.begin({person(1)}, {person(2)});
  CHECK(admission.admit(admission.event(1'000, {person(2)})) == erased);
  admission.set_positions({person(1), person(2)});
  CHECK(admission.admit(admission.event(1'000, {person(2)})) == erased);
  CHECK(admission.admit(admission.event(1'000, {person(1)})) == committed);
}

TEST_CASE("of several people one who was erased is enough, also beside one who is being erased") {
  Admission admission;
  admission.erase({person(1)});
  admission.begin({person(2)});
  CHECK(admission.admit(admission.event(9, {person(3), person(1)})) == erased);
  CHECK(admission.admit(admission.event(9, {person(2), person(1)})) == erased);
  CHECK(admission.admit(admission.event(9, {person(3), person(2)})) == erasing);
  CHECK(admission.admit(admission.event(10, {person(3), person(1)})) == committed);
}

TEST_CASE("a lost partition and an event handled before come before the question who it is about") {
  Admission admission;
  auto const handled = admission.event(9, {person(1)});
  CHECK(admission.admit(handled) == committed);
  admission.begin({person(1)});
  CHECK(admission.admit(handled) == duplicate);
  CHECK(admission.admit_each({handled}) == std::vector{duplicate});
  admission.set_positions({person(1)});
  CHECK(admission.admit(handled) == duplicate);
  auto lost = admission.event(9, {person(1)});
  ++lost.epoch;
  CHECK(admission.admit(lost) == fenced);
  CHECK(admission.admit_each({lost}) == std::vector{fenced});
}

TEST_CASE("events that share a transaction are refused each for itself") {
  Admission admission;
  admission.erase({person(1)});
  admission.begin({person(2)});
  auto const gone = admission.event(9, {person(1)});
  auto const waits = admission.event(9, {person(2)});
  auto const both = admission.event(9, {person(2), person(1)});
  auto const fresh = admission.event(10, {person(1)});
  auto const nobody = admission.event(9, {});
  CHECK(admission.admit_each({gone, waits, both, fresh, nobody, gone}) ==
        std::vector{erased, erasing, erased, committed, committed, duplicate});
  CHECK(admission.effects() == 2);
  CHECK(admission.inbox() == 4);
  CHECK(admission.admit_each({admission.event(8, {person(1)}), admission.event(7, {person(1)})}) ==
        std::vector{erased, erased});
  CHECK(admission.inbox() == 6);
  CHECK(admission.admit_each({waits}) == std::vector{erasing});
  CHECK(admission.inbox() == 6);
}

TEST_CASE("of a batch, what is about an erased person is left out; it waits while somebody is being erased") {
  Admission admission;
  admission.erase({person(1)});
  auto const gone = admission.event(9, {person(1)});
  auto const fresh = admission.event(10, {person(1)});
  auto const nobody = admission.event(9, {});
  auto const result = admission.admit_all({gone, fresh, nobody});
  CHECK(result.outcome == committed);
  CHECK(result.erased == std::vector{gone.event_id});
  CHECK(admission.effects() == 2);
  CHECK(admission.inbox() == 3);
  CHECK(admission.admit_all({gone, fresh}).outcome == duplicate);
  auto const alone = admission.admit_all({admission.event(8, {person(1)})});
  CHECK(alone.outcome == erased);
  CHECK(alone.erased.size() == 1);
  CHECK(admission.inbox() == 4);
  admission.begin({person(2)});
  CHECK(admission.admit_all({nobody, admission.event(9, {person(2)})}).outcome == erasing);
  CHECK(admission.inbox() == 4);
}

TEST_CASE("an erasure waits for what is being written about the person, and for nothing else") {
  Admission admission;
  pqxx::connection observer{admission.database.url()};
  std::promise<void> begun;
  std::thread erasure;
  auto const key = admission.event(9, {person(1)});
  run_unit(admission.connection, key, [&](OpenUnit& unit) {
    Admission::effect(key)(unit);
    admission.begin({person(2)});
    erasure = std::thread([&] {
      admission.begin({person(2), person(1)});
      begun.set_value();
    });
    test::await_lock_wait(observer);
    CHECK(admission.count("pipeline.erasures") == 1);
  });
  begun.get_future().get();
  erasure.join();
  CHECK(admission.effects() == 1);
  CHECK(admission.admit(admission.event(9, {person(1)})) == erasing);
}

TEST_CASE("what is about a person waits for their erasure to begin, and then sees it") {
  for (bool const together : {false, true}) {
    CAPTURE(together);
    Admission admission;
    pqxx::connection observer{admission.database.url()};
    auto const key = admission.event(9, {person(1), person(3)});
    std::promise<CommitOutcome> outcome;
    std::thread worker;
    {
      pqxx::work transaction{admission.gdpr};
      Admission::begin(transaction, {person(1), person(2)});
      worker =
          std::thread([&] { outcome.set_value(together ? admission.admit_each({key}).at(0) : admission.admit(key)); });
      test::await_lock_wait(observer);
      transaction.commit();
    }
    CHECK(outcome.get_future().get() == erasing);
    worker.join();
    CHECK(admission.inbox() == 0);
  }
}

TEST_CASE("a commit in doubt of a refused event publishes nothing of an earlier attempt") {
  Admission admission;
  auto const key = admission.event(9, {person(1)});
  std::vector<OutboxRow> attempted{{7, {"chat.replies", "key", "value", {}, std::nullopt}}};
  admission.erase({person(1)});
  CHECK(run_unit(admission.connection, key, must_not_run, &attempted).outcome == erased);
  CHECK(attempted.empty());
}

TEST_CASE("the same request begins once; another one erases again who came back") {
  Admission admission;
  auto const request = random_uuid();
  admission.begin({person(1)}, {}, request);
  admission.set_positions({person(1)});
  admission.begin({person(1)}, {}, request);
  CHECK(admission.admit(admission.event(9, {person(1)})) == erased);
  admission.set_positions({person(1)}, R"({"chat.messages": {"0": 99}})");
  CHECK(admission.admit(admission.event(50, {person(1)})) == committed);
  admission.begin({person(1)});
  CHECK(admission.admit(admission.event(50, {person(1)})) == erasing);
  admission.set_positions({person(1)}, R"({"chat.messages": {"0": 99}})");
  CHECK(admission.admit(admission.event(50, {person(1)})) == erased);
}

TEST_CASE("positions that are none are rejected") {
  Admission admission;
  admission.begin({person(1)});
  for (auto const* const positions : {"null", "[]", "7", R"({"chat.messages": 7})", R"({"chat.messages": {"0": "7"}})",
                                      R"({"chat.messages": [7]})"}) {
    CAPTURE(positions);
    CHECK_THROWS_AS(admission.set_positions({person(1)}, positions), pqxx::sql_error);
  }
}

TEST_CASE("only the gdpr worker erases, and it can do nothing but begin and set positions") {
  Admission admission;
  auto const refused = [](pqxx::connection& connection, std::string const& sql) {
    pqxx::work transaction{connection};
    CHECK_THROWS_AS(transaction.exec(sql), pqxx::insufficient_privilege);
  };
  refused(admission.connection, "SELECT pipeline.begin_erasure(gen_random_uuid(), 'shop.example', '{}')");
  refused(admission.connection, "SELECT pipeline.set_erasure_positions('{}', '{}')");
  for (auto* const connection : {&admission.connection, &admission.gdpr}) {
    refused(*connection, "DELETE FROM pipeline.erasures");
    refused(*connection, "UPDATE pipeline.erasures SET positions = NULL");
  }
}

TEST_CASE("a worker reads who was erased, and then what changed") {
  Admission admission;
  admission.erase({person(1)});
  admission.begin({person(2)}, {person(3)});
  auto const all = read_erasures(admission.connection, {}, {"chat.messages", "other"});
  auto sorted = all.erased;
  std::ranges::sort(sorted);
  CHECK(sorted == std::vector{person(1), person(3)});
  CHECK(all.running == std::vector{person(2)});
  REQUIRE(all.up_to.size() == 1);
  CHECK(all.up_to[0].topic == "chat.messages");
  CHECK(all.up_to[0].partition == 0);
  CHECK(all.up_to[0].offset == 10);
  admission.execute("UPDATE pipeline.erasures SET erased_at = erased_at - interval '1 minute'");
  CHECK(read_erasures(admission.connection, all.as_of, {"chat.messages"}).erased.empty());
  admission.set_positions({person(2)}, R"({"chat.messages": {"0": 30}, "other": {"0": 5}})");
  auto const news = read_erasures(admission.connection, all.as_of, {"chat.messages"});
  CHECK(news.erased == std::vector{person(2)});
  REQUIRE(news.up_to.size() == 1);
  CHECK(news.up_to[0].offset == 30);
}

TEST_CASE("a letter about somebody who was erased is dropped but not redriven") {
  Admission admission;
  pqxx::connection operator_{admission.database.url_as("operator")};
  admission.erase({person(1)});
  auto const letter = [](std::int64_t offset, SubjectKey subject) {
    return LetterKey{random_uuid(),
                     "chat.messages.dlq",
                     0,
                     3,
                     "chat",
                     random_uuid(),
                     {Subjects{subject}, "chat.messages", 0, offset}};
  };
  auto const take = [&](LetterKey const& key, LetterAction action) {
    pqxx::work transaction{operator_};
    auto const taken = take_letter(transaction, key, action, "somebody");
    transaction.commit();
    return taken;
  };
  auto const gone = letter(9, person(1));
  CHECK(is_refused(operator_, gone.about));
  CHECK_FALSE(take(gone, LetterAction::redriven));
  CHECK(take(gone, LetterAction::dropped));
  for (auto const& other : {letter(10, person(1)), letter(9, person(2))}) {
    CHECK_FALSE(is_refused(operator_, other.about));
    CHECK(take(other, LetterAction::redriven));
  }
  admission.begin({person(2)});
  CHECK_FALSE(take(letter(50, person(2)), LetterAction::redriven));
}
