// What the report worker's handler does with ticks and requests.
#include "workers/report/handler.hpp"

#include "handler/fake_context.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string>
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
};

class FakeReports final : public ReportStore {
 public:
  explicit FakeReports(StoredReports& stored) : stored_{stored} {}

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
  void log_end(UnitOfWork&, Context&, processing::Work const& work) override {
    stored_.log.push_back("completed " + work.action);
  }
  void log_failure(UnitOfWork&, Context&, processing::Work const& work, Failure const& failure) override {
    stored_.log.push_back("failed " + work.action + ": " + failure.error_class());
  }

 private:
  StoredReports& stored_;
};

/// One person with one outcome that no report holds.
struct Reporting {
  Reporting() {
    context.keep_consistent(stored);
    ReportPerson person{domain, true, "2026-11-29", false, {"ann", "2026-11-29", {}}};
    person.content.outcomes.push_back({outcome, "bob", "agent_a", "EXPLORATORY", "They talked.", {}, false, {}});
    stored.people.emplace(ann, person);
    handler.emplace(ReportSettings{}, std::make_unique<FakeReports>(stored), [this] { return now; });
  }

  auto& person() { return stored.people.at(ann); }
  auto request(std::optional<Uuid> by = {}) {
    return context.hand(*handler, ReportRequested{domain, ann, "2026-11-29", by});
  }

  Uuid const ann = name_uuid(Uuid{}, "ann");
  Uuid const outcome = name_uuid(Uuid{}, "outcome");
  Uuid const admin = name_uuid(Uuid{}, "admin");
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
