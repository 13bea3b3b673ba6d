// What the report worker's handler does with ticks and requests.
#include "workers/report/handler.hpp"

#include "handler/fake_context.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::report;
using Kind = FakeContext::Kind;

namespace {

constexpr auto domain = "shop.example";

/// The tables in memory.
struct StoredReports {
  std::map<Uuid, ReportPerson> people;
  std::vector<DuePerson> due;  ///< all in the part of their id's first digit
  std::vector<NewReport> reports;
  std::vector<std::string> log;
  std::vector<std::int64_t> looked_at;  ///< the times that were asked for
  std::map<Uuid, ReportMail> mails;
  std::map<Uuid, std::string> details;
  std::vector<std::int64_t> ratings;
  std::function<void()> on_mail_read;  ///< after a report was read to be sent; may be empty
};

class FakeReports final : public ReportStore {
 public:
  FakeReports(StoredReports& stored, std::int64_t const& now) : stored_{stored}, now_{now} {}

  std::vector<DuePerson> find_due(UnitOfWork&, DueTime time, std::int32_t part) override {
    if (part == 0) stored_.looked_at.push_back(time.now_ms);
    std::vector<DuePerson> found;
    for (auto const& person : stored_.due)
      if (to_string(person.user_id)[0] == "0123456789abcdef"[part]) found.push_back(person);
    return found;
  }
  Task<std::int64_t> count_unknown_zones(Context&) override { co_return 1; }
  Task<std::optional<ReportPerson>> read(Context&, ReportRequested const& request, DueTime) override {
    auto const found = stored_.people.find(request.user_id);
    co_return found == stored_.people.end() ? std::nullopt : std::optional{found->second};
  }
  bool add(UnitOfWork&, NewReport const& report) override {
    stored_.people.at(report.user_id).has_report = true;
    stored_.reports.push_back(report);
    return true;
  }
  Task<std::optional<ReportMail>> read_mail(Context&, Uuid const& report) override {
    auto const found = stored_.mails.find(report);
    auto const mail = found == stored_.mails.end() ? std::nullopt : std::optional{found->second};
    if (stored_.on_mail_read) stored_.on_mail_read();
    co_return mail;
  }
  bool claim(UnitOfWork&, Uuid const& report, std::string const&) override {
    auto const found = stored_.mails.find(report);
    if (found == stored_.mails.end() || found->second.send_state) return false;
    found->second.send_state = "claimed";
    if (!found->second.claimed_ms) found->second.claimed_ms = now_;
    return true;
  }
  void settle(UnitOfWork&, Uuid const& report, std::optional<std::string> const& state,
              std::string const& detail) override {
    auto const found = stored_.mails.find(report);
    if (found == stored_.mails.end() || found->second.send_state != "claimed") return;
    found->second.send_state = state;
    stored_.details[report] = detail;
  }
  bool rate(UnitOfWork&, ReportRated const& rated, std::int64_t) override {
    if (!stored_.mails.contains(rated.report_id)) return false;
    stored_.ratings.push_back(rated.rating);
    return true;
  }
  void log_end(UnitOfWork&, Context&, processing::LoggedWork const& work) override {
    stored_.log.push_back("completed " + work.action);
  }
  void log_failure(UnitOfWork&, Context&, processing::LoggedWork const& work, Failure const& failure) override {
    stored_.log.push_back("failed " + work.action + ": " + failure.error_class());
  }

 private:
  StoredReports& stored_;
  std::int64_t const& now_;
};

/// A mail server that does what it is told to, and keeps what it was given.
class FakeMailer final : public Mailer {
 public:
  struct Script {
    std::vector<Email> given;
    std::vector<MailResult> results;  ///< the next ones; then everything is sent
    std::function<void()> on_given;   ///< may be empty
  };
  explicit FakeMailer(Script& script) : script_{script} {}

  Task<MailResult> send(Email email) override {
    script_.given.push_back(std::move(email));
    if (script_.on_given) script_.on_given();
    if (script_.results.empty()) co_return MailResult{MailFate::sent, {}};
    auto const result = script_.results.front();
    script_.results.erase(script_.results.begin());
    co_return result;
  }

 private:
  Script& script_;
};

/// One person with one outcome that no report holds.
struct Reporting {
  Reporting() {
    context.keep_consistent(stored);
    ReportPerson person{domain, true, "2026-11-29", false, false, {"ann", "2026-11-29", {}}};
    person.content.outcomes.push_back({outcome, "bob", "agent_a", "EXPLORATORY", "They talked.", {}, false, {}});
    stored.people.emplace(ann, person);
    settings.smtp_from = "reports@omnibus.example";
    settings.public_url = "https://omnibus.example";
    settings.unsubscribe_secret = Secret{"secret"};
    stored.mails.emplace(report, ReportMail{domain, ann, "ann", "2026-11-29", "text", "<p>html</p>", "ann@example.org",
                                            std::nullopt, std::nullopt});
    handler.emplace(settings, std::make_unique<FakeReports>(stored, now), std::make_unique<FakeMailer>(server),
                    [this] { return now; });
  }

  auto& mail() { return stored.mails.at(report); }
  auto send() { return context.hand(*handler, ReportGenerated{domain, ann, report, "2026-11-29", 1}); }

  auto& person() { return stored.people.at(ann); }
  auto request(std::optional<Uuid> by = {}) {
    return context.hand(*handler, ReportRequested{domain, ann, "2026-11-29", by});
  }

  Uuid const ann = name_uuid(Uuid{}, "ann");
  Uuid const outcome = name_uuid(Uuid{}, "outcome");
  Uuid const admin = name_uuid(Uuid{}, "admin");
  Uuid const report = name_uuid(Uuid{}, "report");
  ReportSettings settings;
  FakeMailer::Script server;
  std::int64_t now = 1'795'168'800'000;
  FakeContext context{"report"};
  StoredReports stored;
  std::optional<ReportHandler> handler;
};

}  // namespace

TEST_CASE("a tick asks for each report that is due, under the person's key, once") {
  Reporting reporting;
  for (int i = 0; i < 40; ++i) reporting.stored.due.push_back({domain, random_uuid(), "2026-11-29"});
  TickReport tick;
  tick.due_at = "2026-11-20T06:00:00Z";
  CHECK(reporting.context.hand(*reporting.handler, tick) == Kind::handled);
  CHECK(reporting.context.come_again() == Kind::handled);
  auto const requests = reporting.context.published<ReportRequested>();
  REQUIRE(requests.size() == 40);
  CHECK(requests.back().report_date == "2026-11-29");
  CHECK_FALSE(requests.back().requested_by);
  CHECK(reporting.context.last_published_key() == to_string(requests.back().user_id));
}

TEST_CASE("a tick that waited through a downtime looks at the present; a tick of the future at its own time") {
  Reporting reporting;
  TickReport tick;
  tick.due_at = "2026-11-17T06:00:00Z";
  CHECK(reporting.context.hand(*reporting.handler, tick) == Kind::handled);
  CHECK(reporting.stored.looked_at.back() == reporting.now);
  tick.due_at = "2026-12-24T06:00:00Z";
  CHECK(reporting.context.hand(*reporting.handler, tick) == Kind::handled);
  CHECK(reporting.stored.looked_at.back() == parse_time_ms(tick.due_at));
}

TEST_CASE("a tick that fails half-way goes on where it was") {
  Reporting reporting;
  for (auto const* const id : {"00000000-0000-0000-0000-000000000001", "f0000000-0000-0000-0000-000000000001"})
    reporting.stored.due.push_back({domain, *parse_uuid(id), "2026-11-29"});
  reporting.context.fail_next_commit(Failure::transient("the database restarts"));
  TickReport tick;
  tick.due_at = "2026-11-29T06:00:00Z";
  CHECK(reporting.context.hand(*reporting.handler, tick) == Kind::waits);
  CHECK(reporting.context.try_again() == Kind::handled);
  CHECK(reporting.context.published<ReportRequested>().size() == 2);
}

TEST_CASE("a requested report is stored with its outcomes and published in one commit") {
  Reporting reporting;
  CHECK(reporting.request() == Kind::handled);
  REQUIRE(reporting.stored.reports.size() == 1);
  auto const& report = reporting.stored.reports[0];
  CHECK(report.outcomes == std::vector{reporting.outcome});
  CHECK(report.date == "2026-11-29");
  CHECK(report.text.find("With bob: worth exploring") != std::string::npos);
  auto const generated = reporting.context.published<ReportGenerated>().at(0);
  CHECK(generated.report_id == report.id);
  CHECK(generated.outcomes == 1);
  CHECK(reporting.context.last_published_key() == to_string(reporting.ann));
  CHECK(reporting.stored.log == std::vector<std::string>{"completed generate_report"});
}

TEST_CASE("one report a day, however often it is asked for") {
  Reporting reporting;
  CHECK(reporting.request() == Kind::handled);
  CHECK(reporting.context.come_again() == Kind::handled);
  CHECK(reporting.request() == Kind::handled);
  CHECK(reporting.request(reporting.admin) == Kind::handled);
  CHECK(reporting.stored.reports.size() == 1);
  CHECK(reporting.context.published<ReportGenerated>().size() == 1);
}

TEST_CASE("without anything new there is no report, unless somebody asked for it") {
  Reporting reporting;
  reporting.person().content.outcomes.clear();
  CHECK(reporting.request() == Kind::handled);
  CHECK(reporting.stored.reports.empty());
  CHECK(reporting.request(reporting.admin) == Kind::handled);
  CHECK(reporting.stored.reports.size() == 1);
}

TEST_CASE("a person who was suspended meanwhile gets none; who asks for one is told so") {
  Reporting reporting;
  reporting.person().may_get_reports = false;
  CHECK(reporting.request() == Kind::handled);
  CHECK(reporting.stored.reports.empty());
  CHECK(reporting.request(reporting.admin) == Kind::parked);
  CHECK(reporting.context.parked()->error_class() == "not_eligible");
  CHECK(reporting.stored.log.back() == "failed generate_report: not_eligible");
}

TEST_CASE("a person who is not there, or of another tenant, is unknown") {
  Reporting reporting;
  SUBCASE("another tenant's") {
    reporting.person().domain = "other.example";
  }
  SUBCASE("gone") {
    reporting.stored.people.clear();
  }
  CHECK(reporting.request() == Kind::parked);
  CHECK(reporting.context.parked()->error_class() == "unknown_user");
}

TEST_CASE("a replay asks for nothing and leaves what is there") {
  Reporting reporting;
  REQUIRE(reporting.request() == Kind::handled);
  reporting.context.replay();
  CHECK(reporting.context.come_again() == Kind::handled);
  CHECK(reporting.stored.reports.size() == 1);
  CHECK(reporting.context.passed_over() == "the person needs no further report");
  TickReport tick;
  tick.due_at = "2026-11-29T06:00:00Z";
  CHECK(reporting.context.hand(*reporting.handler, tick) == Kind::handled);
  CHECK(reporting.stored.looked_at.empty());
}

TEST_CASE("a report is claimed, sent once, and settled") {
  Reporting reporting;
  reporting.server.on_given = [&] { CHECK(reporting.mail().send_state == "claimed"); };
  CHECK(reporting.send() == Kind::handled);
  CHECK(reporting.context.come_again() == Kind::handled);
  CHECK(reporting.send() == Kind::handled);
  REQUIRE(reporting.server.given.size() == 1);
  CHECK(reporting.mail().send_state == "sent");
  auto const& email = reporting.server.given[0];
  CHECK(email.to == "ann@example.org");
  CHECK(email.from == "reports@omnibus.example");
  CHECK(email.message_id == to_string(reporting.report) + "@omnibus.example");
  CHECK(email.unsubscribe_url.starts_with("https://omnibus.example/v1/reports/unsubscribe?domain=shop.example&user=" +
                                          to_string(reporting.ann) + "&signature="));
}

TEST_CASE("a report whose attempt did not live to settle it is in doubt, and never sent again by itself") {
  Reporting reporting;
  reporting.context.fail_next_commit(Failure::transient("the worker was killed"));
  CHECK(reporting.send() == Kind::waits);
  CHECK(reporting.mail().send_state == "claimed");
  CHECK(reporting.context.try_again() == Kind::handled);
  CHECK(reporting.mail().send_state == "in_doubt");
  CHECK(reporting.send() == Kind::handled);
  CHECK(reporting.server.given.size() == 1);
}

TEST_CASE("a report that another attempt claims first is left to it") {
  Reporting reporting;
  reporting.stored.on_mail_read = [&] { reporting.mail().send_state = "claimed"; };
  CHECK(reporting.send() == Kind::waits);
  CHECK(reporting.server.given.empty());
  CHECK(reporting.mail().send_state == "claimed");
  reporting.stored.on_mail_read = {};
  reporting.mail().send_state = "sent";
  CHECK(reporting.context.try_again() == Kind::handled);
  CHECK(reporting.server.given.empty());
  CHECK(reporting.mail().send_state == "sent");
}

TEST_CASE("a report whose person is erased before it is claimed is not sent") {
  Reporting reporting;
  reporting.stored.on_mail_read = [&] { reporting.stored.mails.clear(); };
  CHECK(reporting.send() == Kind::waits);
  CHECK(reporting.context.try_again() == Kind::handled);
  CHECK(reporting.server.given.empty());
}

TEST_CASE("a report whose event is parked after it was given to the server is in doubt, and the log says so") {
  Reporting reporting;
  reporting.context.fail_next_commit(Failure::permanent("the row cannot be written", "database"));
  CHECK(reporting.send() == Kind::parked);
  CHECK(reporting.mail().send_state == "in_doubt");
  CHECK(reporting.stored.details[reporting.report] == "database");
  CHECK(reporting.stored.log.back() == "failed send_report: database");
  CHECK(reporting.context.redrive() == Kind::handled);
  CHECK(reporting.server.given.size() == 1);
}

TEST_CASE("an unknown fate is in doubt, a refusal is final with its code") {
  for (auto const& [fate, state] : {std::pair{MailFate::in_doubt, "in_doubt"}, {MailFate::refused, "refused"}}) {
    Reporting reporting;
    reporting.server.results = {{fate, "550"}};
    CHECK(reporting.send() == Kind::handled);
    CHECK(reporting.mail().send_state == state);
    CHECK(reporting.stored.details[reporting.report] == "550");
    CHECK(reporting.send() == Kind::handled);
    CHECK(reporting.server.given.size() == 1);
  }
}

TEST_CASE("what the server does not take yet waits alone, is tried for four hours, and then fails") {
  Reporting reporting;
  reporting.server.results.assign(9, {MailFate::deferred, "451"});
  CHECK(reporting.send() == Kind::deferred);
  CHECK_FALSE(reporting.mail().send_state);
  SUBCASE("taken at the next attempt") {
    reporting.server.results.clear();
    CHECK(reporting.context.try_again() == Kind::handled);
    CHECK(reporting.mail().send_state == "sent");
    CHECK(reporting.server.given.size() == 2);
  }
  SUBCASE("never taken") {
    reporting.now += 14'400'000;
    CHECK(reporting.context.try_again() == Kind::deferred);
    reporting.now += 1;
    CHECK(reporting.context.try_again() == Kind::handled);
    CHECK(reporting.mail().send_state == "failed");
    CHECK(reporting.server.given.size() == 2);
  }
}

TEST_CASE("nothing is sent to a person who wants or may get none, nor in a replay, nor without a server") {
  Reporting reporting;
  SUBCASE("no address") {
    reporting.mail().email.reset();
  }
  SUBCASE("erased") {
    reporting.stored.mails.clear();
  }
  SUBCASE("a replay") {
    reporting.context.replay();
  }
  SUBCASE("no server") {
    reporting.handler.emplace(reporting.settings, std::make_unique<FakeReports>(reporting.stored, reporting.now),
                              nullptr, [] { return std::int64_t{0}; });
  }
  CHECK(reporting.send() == Kind::handled);
  CHECK(reporting.server.given.empty());
}

TEST_CASE("nobody gets a report of a day that has not begun, but by a tick of that day") {
  Reporting reporting;
  reporting.person().is_future = true;
  auto const refused = reporting.request(reporting.admin);
  CHECK(refused == Kind::parked);
  CHECK(refused.error_class == "invalid_event");
  CHECK(reporting.stored.reports.empty());
  CHECK(reporting.request() == Kind::handled);
  CHECK(reporting.stored.reports.size() == 1);
}

TEST_CASE("a rating is stored, and one of a report that the person does not have is refused") {
  Reporting reporting;
  auto const rate = [&](Uuid const& report) {
    return reporting.context.hand(*reporting.handler, ReportRated{domain, reporting.ann, report, 4});
  };
  CHECK(rate(reporting.report) == Kind::handled);
  CHECK(reporting.stored.ratings == std::vector<std::int64_t>{4});
  CHECK(reporting.stored.log.back() == "completed rate_report");
  auto const refused = rate(reporting.outcome);
  CHECK(refused == Kind::parked);
  CHECK(refused.error_class == "unknown_report");
  CHECK(reporting.stored.log.back() == "failed rate_report: unknown_report");
}
