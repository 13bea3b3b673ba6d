// Who is due and what a report holds, in a migrated database as the report worker's role.
#include "engine/commit/handler_unit.hpp"
#include "events/tick.hpp"
#include "tests/common/engine/parking_engine.hpp"
#include "tests/workers/outcome/match_tables.hpp"
#include "time/time.hpp"
#include "workers/report/handler.hpp"

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <set>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::report;
using omnibus::outcome::test::MatchDatabase;

namespace {

/// People with outcomes, and the worker's store.
struct ReportTables {
  /// An outcome of these two, scored then. @return its id.
  Uuid add_outcome(Uuid const& one, Uuid const& other, std::string_view scored_at,
                   std::string_view outcome = "EXPLORATORY") {
    auto const match = random_uuid();
    auto const id = random_uuid();
    database.execute(
        "INSERT INTO omniscient_matches (id, user_a_id, user_b_id, status, domain, predicted_outcome) SELECT $1, "
        "LEAST($2::uuid, $3), GREATEST($2::uuid, $3), 'completed', domain, 'NO_MATCH' FROM users WHERE id = $2",
        pqxx::params{to_string(match), to_string(one), to_string(other)});
    auto const conversation = database.add_conversation(match, "completed", "agreed_end", {"Hello.", "Hello."});
    database.execute(
        "UPDATE omniscient_conversations SET actual_outcome = $2::omniscient_outcome, conversation_summary = 'They "
        "talked.' WHERE id = $1",
        pqxx::params{to_string(conversation), outcome});
    database.execute(
        "INSERT INTO omniscient_outcomes (id, conversation_id, match_id, domain, outcome_analysis, created_at, "
        "specific_next_steps) SELECT $1, id, match_id, domain, 'x', $3::timestamptz, '[{\"step\": \"Meet.\", "
        "\"priority\": \"high\", \"timeline\": \"soon\"}]' FROM omniscient_conversations WHERE id = $2",
        pqxx::params{to_string(id), to_string(conversation), scored_at});
    return id;
  }
  void in_unit(std::function<void(UnitOfWork&)> const& work) {
    pqxx::connection connection{database.url_as("report")};
    pqxx::work transaction{connection};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    engine::HandlerUnit unit{inner, engine::EventMaker{originate("/test", TickReport::type), "report"}};
    work(unit);
    transaction.commit();
  }
  static DueTime at(std::string_view time) { return {*parse_time_ms(time), 7}; }
  /// The people who are due then, by handle, with the date of their report.
  std::set<std::string> due(std::string_view time) {
    std::set<std::string> found;
    in_unit([&](UnitOfWork& unit) {
      for (std::int32_t part = 0; part < ReportStore::due_parts; ++part)
        for (auto const& person : store.find_due(unit, at(time), part))
          found.insert(database.value("SELECT handle FROM users WHERE id = '" + to_string(person.user_id) + "'") + " " +
                       person.report_date);
    });
    return found;
  }
  ReportPerson read(Uuid const& person, std::string_view time, std::optional<std::string> date = {},
                    bool asked = false) {
    pqxx::connection connection{database.url_as("report")};
    ReportRequested request{"shop.example", person, std::move(date), {}};
    if (asked) request.requested_by = random_uuid();
    auto found = PostgresReports::read_over(connection, request, at(time));
    REQUIRE(found);
    return *found;
  }
  std::vector<Uuid> holds(Uuid const& person, std::string_view time, std::optional<std::string> date = {},
                          bool asked = false) {
    std::vector<Uuid> ids;
    for (auto const& outcome : read(person, time, std::move(date), asked).content.outcomes) ids.push_back(outcome.id);
    return ids;
  }
  /// Makes the report that is due then. @return how many outcomes it holds; nothing when there is one of that date.
  std::optional<std::size_t> make(Uuid const& person, std::string_view time) {
    auto const found = read(person, time);
    NewReport report{random_uuid(), found.domain, person, found.report_date, "text", "<p>html</p>", {}};
    for (auto const& outcome : found.content.outcomes) report.outcomes.push_back(outcome.id);
    auto added = false;
    in_unit([&](UnitOfWork& unit) { added = store.add(unit, report); });
    return added ? std::optional{report.outcomes.size()} : std::nullopt;
  }

  MatchDatabase database;
  Uuid ann = database.add_person("ann");
  Uuid bob = database.add_person("bob");
  PostgresReports store;
};

using People = std::set<std::string>;

/// A mail server that takes everything, but refuses `refused`, leaves `doubt` in doubt and has `later` come again.
class CountingMailer final : public Mailer {
 public:
  explicit CountingMailer(std::atomic<int>& sent) : sent_{sent} {}
  Task<MailResult> send(Email email) override {
    ++sent_;
    auto const is_first = seen_.insert(email.to).second;
    if (email.to.starts_with("refused")) co_return MailResult{MailFate::refused, "550"};
    if (email.to.starts_with("doubt")) co_return MailResult{MailFate::in_doubt, "no answer"};
    if (email.to.starts_with("later") && is_first) co_return MailResult{MailFate::deferred, "451"};
    co_return MailResult{MailFate::sent, {}};
  }

 private:
  std::atomic<int>& sent_;
  std::set<std::string> seen_;
};

/// The report worker in an engine, with that server. @param sent how often the server was given something
engine::test::DatabaseEngine run_worker(engine::test::Broker& broker, ReportTables const& tables,
                                        std::atomic<int>& sent) {
  return {broker, tables.database.url_as("report"), "reports", "report-test", [&sent](boost::asio::io_context&) {
            ReportSettings settings;
            settings.smtp_from = "reports@omnibus.example";
            return std::make_unique<engine::test::HandlerOwner<ReportHandler>>(std::make_unique<ReportHandler>(
                settings, std::make_unique<PostgresReports>(), std::make_unique<CountingMailer>(sent), wall_clock_ms));
          }};
}

kafka::Record request_for(Uuid const& person) {
  return to_binary_record(originate("/test", ReportRequested::type),
                          json::encode(ReportRequested{"shop.example", person, "2026-11-29", {}}), "reports",
                          to_string(person));
}

}  // namespace

TEST_CASE("a report is due from seven o'clock of the person's own time on") {
  ReportTables tables;
  auto const kigali = tables.database.add_person("kigali", "shop.example", "Africa/Kigali");
  auto const tokyo = tables.database.add_person("tokyo", "shop.example", "Asia/Tokyo");
  tables.add_outcome(kigali, tokyo, "2026-11-28T10:00:00Z");
  CHECK(tables.due("2026-11-28T21:59:59Z").empty());
  CHECK(tables.due("2026-11-28T22:00:00Z") == People{"tokyo 2026-11-29"});
  CHECK(tables.due("2026-11-29T04:59:59Z") == People{"tokyo 2026-11-29"});
  CHECK(tables.due("2026-11-29T05:00:00Z") == People{"kigali 2026-11-29", "tokyo 2026-11-29"});
  CHECK(tables.due("2026-11-29T14:59:59Z") == People{"kigali 2026-11-29", "tokyo 2026-11-29"});
  CHECK(tables.due("2026-11-29T15:00:00Z") == People{"kigali 2026-11-29"});
}

TEST_CASE("the hour follows the clock changes of the person's zone") {
  ReportTables tables;
  auto const berlin = tables.database.add_person("berlin", "shop.example", "Europe/Berlin");
  tables.add_outcome(berlin, tables.ann, "2027-03-01T10:00:00Z");
  tables.database.execute("UPDATE users SET status = 'PENDING' WHERE handle = 'ann'");
  CHECK(tables.due("2027-03-27T05:59:59Z").empty());
  CHECK(tables.due("2027-03-27T06:00:00Z") == People{"berlin 2027-03-27"});
  CHECK(tables.due("2027-03-28T04:59:59Z").empty());  // the night on which the clock goes forward
  CHECK(tables.due("2027-03-28T05:00:00Z") == People{"berlin 2027-03-28"});
}

TEST_CASE("stopped from before seven until after nine, or for three days: one report") {
  ReportTables tables;
  tables.add_outcome(tables.ann, tables.bob, "2026-11-26T10:00:00Z");
  CHECK(tables.due("2026-11-29T09:20:00Z") == People{"ann 2026-11-29", "bob 2026-11-29"});
  CHECK(tables.make(tables.ann, "2026-11-29T09:20:00Z") == 1);
  CHECK(tables.due("2026-11-29T09:20:00Z") == People{"bob 2026-11-29"});
  CHECK_FALSE(tables.make(tables.ann, "2026-11-29T09:20:00Z"));
  CHECK(tables.due("2026-11-30T09:20:00Z") == People{"bob 2026-11-30"});  // nothing new for ann
}

TEST_CASE("each outcome is in exactly one report of each of its two people, however late it was committed") {
  ReportTables tables;
  auto const early = tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  CHECK(tables.make(tables.ann, "2026-11-29T07:00:00Z") == 1);
  // Scored before seven o'clock, committed after the report.
  auto const late = tables.add_outcome(tables.ann, tables.bob, "2026-11-29T06:59:59Z");
  auto const after = tables.add_outcome(tables.ann, tables.bob, "2026-11-29T07:00:05Z");
  CHECK(tables.due("2026-11-29T07:15:00Z") == People{"bob 2026-11-29"});
  CHECK(tables.holds(tables.bob, "2026-11-29T07:15:00Z") == std::vector{early, late});
  CHECK(tables.make(tables.bob, "2026-11-29T07:15:00Z") == 2);
  CHECK(tables.due("2026-11-30T07:00:00Z") == People{"ann 2026-11-30", "bob 2026-11-30"});
  CHECK(tables.holds(tables.ann, "2026-11-30T07:00:00Z") == std::vector{late, after});
  CHECK(tables.holds(tables.bob, "2026-11-30T07:00:00Z") == std::vector{after});
  CHECK(tables.make(tables.ann, "2026-11-30T07:00:00Z") == 2);
  CHECK(tables.make(tables.bob, "2026-11-30T07:00:00Z") == 1);
  CHECK(tables.database.value("SELECT count(*) FROM omniscient_report_outcomes") == "6");
}

TEST_CASE("a report that somebody asked for holds what was scored up to the end of its day") {
  ReportTables tables;
  auto const id = tables.add_outcome(tables.ann, tables.bob, "2026-11-29T12:00:00Z");
  tables.add_outcome(tables.ann, tables.bob, "2026-11-30T00:00:00Z");
  CHECK(tables.holds(tables.ann, "2026-11-29T15:00:00Z").empty());
  CHECK(tables.holds(tables.ann, "2026-11-29T15:00:00Z", {}, true) == std::vector{id});
  CHECK(tables.holds(tables.ann, "2026-12-05T15:00:00Z", "2026-11-29", true) == std::vector{id});
  CHECK(tables.holds(tables.ann, "2026-12-05T15:00:00Z", "2026-11-28", true).empty());
}

TEST_CASE("one person with a time zone that has vanished counts as UTC and stops no other") {
  ReportTables tables;
  auto const lost = tables.database.add_person("lost", "shop.example", "Asia/Calcutta_of_old");
  for (int i = 0; i < 99; ++i)
    tables.add_outcome(tables.database.add_person("p" + std::to_string(i)), tables.bob, "2026-11-28T10:00:00Z");
  tables.add_outcome(lost, tables.bob, "2026-11-28T10:00:00Z");
  auto const due = tables.due("2026-11-29T07:00:00Z");
  CHECK(due.size() == 101);
  CHECK(due.contains("lost 2026-11-29"));
  CHECK(tables.make(lost, "2026-11-29T07:00:00Z") == 1);
}

TEST_CASE("people who are not approved and those of an inactive tenant are not due") {
  ReportTables tables;
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  tables.database.execute("UPDATE users SET status = 'SUSPENDED' WHERE handle = 'ann'");
  CHECK(tables.due("2026-11-29T07:00:00Z") == People{"bob 2026-11-29"});
  CHECK_FALSE(tables.read(tables.ann, "2026-11-29T07:00:00Z").may_get_reports);
  tables.database.execute("UPDATE tenants SET status = 'suspended' WHERE domain = 'shop.example'");
  CHECK(tables.due("2026-11-29T07:00:00Z").empty());
}

TEST_CASE("a report names the other person by handle, the strongest outcome first") {
  ReportTables tables;
  auto const eve = tables.database.add_person("eve <b>");
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z", "FUTURE_POTENTIAL");
  tables.add_outcome(tables.ann, eve, "2026-11-28T11:00:00Z", "STRONG_MATCH");
  auto const content = tables.read(tables.ann, "2026-11-29T07:00:00Z").content;
  REQUIRE(content.outcomes.size() == 2);
  CHECK(content.handle == "ann");
  CHECK(content.outcomes[0].other == "eve <b>");
  CHECK(content.outcomes[1].other == "bob");
  CHECK(content.outcomes[1].summary == "They talked.");
  CHECK(content.outcomes[1].steps.at(0).timeline == "soon");
  auto const a = tables.database.value("SELECT LEAST('" + to_string(tables.ann) + "'::uuid, '" + to_string(tables.bob) +
                                       "'::uuid)");
  CHECK(content.outcomes[1].speaker == (a == to_string(tables.ann) ? "agent_a" : "agent_b"));
}

TEST_CASE("an erased person takes reports and marks along, and the other one's report stays") {
  ReportTables tables;
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  REQUIRE(tables.make(tables.ann, "2026-11-29T07:00:00Z"));
  REQUIRE(tables.make(tables.bob, "2026-11-29T07:00:00Z"));
  tables.database.execute("DELETE FROM users WHERE handle = 'ann'");
  CHECK(tables.database.value("SELECT count(*) FROM omniscient_reports") == "1");
  CHECK(tables.database.value("SELECT count(*) FROM omniscient_report_outcomes") == "0");
}

TEST_CASE("a report is claimed once, and settled once") {
  ReportTables tables;
  tables.database.execute("UPDATE users SET email = 'ann@example.org' WHERE handle = 'ann'");
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  REQUIRE(tables.make(tables.ann, "2026-11-29T07:00:00Z"));
  auto const report = *parse_uuid(tables.database.value("SELECT id FROM omniscient_reports"));
  auto read = [&] {
    pqxx::connection connection{tables.database.url_as("report")};
    return PostgresReports::read_mail_over(connection, report);
  };
  auto claim = [&] {
    auto claimed = false;
    tables.in_unit([&](UnitOfWork& unit) { claimed = tables.store.claim(unit, report, "1@omnibus.example"); });
    return claimed;
  };
  auto settle = [&](std::optional<std::string> const& state) {
    tables.in_unit([&](UnitOfWork& unit) { tables.store.settle(unit, report, state, "451"); });
  };
  auto const* const sent =
      "SELECT concat_ws(' ', send_state, message_id, send_detail, sent_at IS NOT NULL) FROM "
      "omniscient_reports";
  CHECK(read()->email == "ann@example.org");
  CHECK_FALSE(read()->claimed_ms);
  CHECK(claim());
  CHECK_FALSE(claim());
  CHECK(read()->send_state == "claimed");
  auto const claimed_ms = read()->claimed_ms;
  settle(std::nullopt);
  CHECK_FALSE(read()->send_state);
  CHECK(claim());
  CHECK(read()->claimed_ms == claimed_ms);
  settle("sent");
  CHECK(tables.database.value(sent) == "sent 1@omnibus.example 451 t");
  settle("refused");
  CHECK_FALSE(claim());
  CHECK(tables.database.value(sent) == "sent 1@omnibus.example 451 t");
}

TEST_CASE("whoever has unsubscribed gets no e-mail, and only the gateway can do it for a tenant's person") {
  ReportTables tables;
  tables.database.execute("UPDATE users SET email = handle || '@example.org'");
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  REQUIRE(tables.make(tables.ann, "2026-11-29T07:00:00Z"));
  auto const report = *parse_uuid(tables.database.value("SELECT id FROM omniscient_reports"));
  auto const call = "SELECT unsubscribe_from_reports('{}', '" + to_string(tables.ann) + "')::text";
  auto read = [&] {
    pqxx::connection connection{tables.database.url_as("report")};
    return PostgresReports::read_mail_over(connection, report)->email;
  };
  CHECK_THROWS_AS(tables.database.value_as("readonly", fmt::format(fmt::runtime(call), "shop.example")),
                  pqxx::insufficient_privilege);
  tables.database.value_as("gateway", fmt::format(fmt::runtime(call), "other.example"));
  CHECK(read() == "ann@example.org");
  for (int i = 0; i < 2; ++i) tables.database.value_as("gateway", fmt::format(fmt::runtime(call), "shop.example"));
  CHECK_FALSE(read());
  CHECK(tables.database.value_as("readonly", "SELECT count(*) FROM omniscient_report_unsubscriptions") == "1");
}

TEST_CASE("whoever unsubscribed, was erased and is recorded again gets no e-mail") {
  ReportTables tables;
  tables.database.execute("UPDATE users SET email = handle || '@example.org'");
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  REQUIRE(tables.make(tables.ann, "2026-11-29T07:00:00Z"));
  auto const report = *parse_uuid(tables.database.value("SELECT id FROM omniscient_reports"));
  auto const suppress = [&](std::string_view domain, std::string_view channel, Uuid const& person) {
    tables.database.execute(
        "INSERT INTO suppressions (domain, channel, subject_key, source) VALUES ($1, $2, replace($3, '-', ''), "
        "'erasure')",
        pqxx::params{domain, channel, to_string(person)});
    pqxx::connection connection{tables.database.url_as("report")};
    return PostgresReports::read_mail_over(connection, report)->email;
  };
  CHECK(suppress("other.example", "email", tables.ann) == "ann@example.org");
  CHECK(suppress("shop.example", "sms", tables.ann) == "ann@example.org");
  CHECK(suppress("shop.example", "email", tables.bob) == "ann@example.org");
  CHECK_FALSE(suppress("shop.example", "email", tables.ann));
}

TEST_CASE("a day has begun by the person's own time") {
  ReportTables tables;
  auto const is_future = [&](std::string_view zone, std::string_view time, std::string date) {
    tables.database.execute("UPDATE users SET timezone = $1", pqxx::params{zone});
    return tables.read(tables.ann, time, std::move(date), true).is_future;
  };
  CHECK_FALSE(is_future("Pacific/Kiritimati", "2026-11-29T10:00:00Z", "2026-11-30"));
  CHECK(is_future("Pacific/Kiritimati", "2026-11-29T09:59:59Z", "2026-11-30"));
  CHECK(is_future("America/Los_Angeles", "2026-11-30T07:59:59Z", "2026-11-30"));
  CHECK_FALSE(is_future("America/Los_Angeles", "2026-11-30T08:00:00Z", "2026-11-30"));
  CHECK_FALSE(is_future("UTC", "2026-11-30T08:00:00Z", "2020-01-01"));
}

TEST_CASE("the latest rating of a report counts, and only of its own person and tenant") {
  ReportTables tables;
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  REQUIRE(tables.make(tables.ann, "2026-11-29T07:00:00Z"));
  auto const report = *parse_uuid(tables.database.value("SELECT id FROM omniscient_reports"));
  auto const rate = [&](std::int64_t rating, std::int64_t time_ms, Uuid const& person, std::string domain) {
    auto found = false;
    tables.in_unit([&](UnitOfWork& unit) {
      found = tables.store.rate(unit, ReportRated{std::move(domain), person, report, rating}, time_ms);
    });
    return found;
  };
  CHECK_FALSE(rate(5, 1000, tables.bob, "shop.example"));
  CHECK_FALSE(rate(5, 1000, tables.ann, "other.example"));
  CHECK(tables.database.value("SELECT coalesce(rating, 0) FROM omniscient_reports") == "0");
  CHECK(rate(4, 2000, tables.ann, "shop.example"));
  CHECK(rate(1, 1000, tables.ann, "shop.example"));  // that of a replay, or a redriven one
  CHECK(tables.database.value("SELECT rating FROM omniscient_reports") == "4");
  CHECK(rate(2, 3000, tables.ann, "shop.example"));
  CHECK(tables.database.value("SELECT rating FROM omniscient_reports") == "2");
}

TEST_CASE("in an engine: a report is made once, sent once, and settled") {
  ReportTables tables;
  tables.database.execute("UPDATE users SET email = handle || '@example.org'");
  tables.add_outcome(tables.ann, tables.bob, "2026-11-28T10:00:00Z");
  std::atomic<int> sent = 0;
  engine::test::Broker broker;
  auto engine = run_worker(broker, tables, sent);
  std::vector<kafka::Record> records;
  for (int i = 0; i < 3; ++i) records.push_back(request_for(tables.ann));
  REQUIRE(engine::test::publish(broker, records));
  REQUIRE(engine::test::eventually([&] { return engine.counters().handled >= 4; }));  // and the report that was made
  CHECK(sent == 1);
  CHECK(tables.database.value("SELECT string_agg(report_date || ' ' || send_state, ', ') FROM omniscient_reports") ==
        "2026-11-29 sent");
  CHECK(tables.database.value("SELECT string_agg(action || ' ' || status, ', ' ORDER BY action) FROM "
                              "omniscient_processing_logs") ==
        "generate_report completed, generate_report completed, generate_report completed, send_report completed");
}

TEST_CASE("in an engine: one recipient decides for no other, and only what surely was not taken is sent again") {
  ReportTables tables;
  std::vector<kafka::Record> records;
  for (auto const* const handle : {"first", "doubt", "refused", "later", "last"}) {
    auto const person = tables.database.add_person(handle);
    tables.add_outcome(person, tables.bob, "2026-11-28T10:00:00Z");
    for (int i = 0; i < 2; ++i) records.push_back(request_for(person));
  }
  tables.database.execute("UPDATE users SET email = handle || '@example.org'");
  std::atomic<int> sent = 0;
  engine::test::Broker broker;
  auto engine = run_worker(broker, tables, sent);
  REQUIRE(engine::test::publish(broker, records));
  REQUIRE(engine::test::eventually([&] { return engine.counters().handled >= 15; }));
  CHECK(sent == 6);
  CHECK(tables.database.value("SELECT string_agg(concat_ws(' ', u.handle, r.send_state, r.send_detail), ', ' ORDER BY "
                              "u.handle) FROM omniscient_reports r JOIN users u ON u.id = r.user_id") ==
        "doubt in_doubt no answer, first sent, last sent, later sent, refused refused 550");
}
