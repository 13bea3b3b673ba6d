#include "tests/workers/gateway/matches/match_world.hpp"
#include "time/time.hpp"

#include <string>
#include <vector>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

namespace {

std::string const person_path = "/v1/people/" + std::string(nobody);
std::string const collaboration_path = "/v1/outcomes/" + std::string(outcome) + "/collaboration";

std::string quoted(std::string_view name, std::string const& text) {
  return R"({"handle":"dan",")" + std::string(name) + R"(":")" + text + R"("})";
}

}  // namespace

TEST_CASE_FIXTURE(MatchWorld, "a person is recorded whole, in the caller's tenant, with the id of the path") {
  auto const put = [&](std::string_view token, std::string body) {
    return serve(request(token, "PUT", person_path, std::move(body)));
  };
  auto const body = R"({"handle":"dan","timezone":"Africa/Kigali","narrative":"I cook","domain":"shop.example",)"
                    R"("user_id":"00000000-0000-4000-8000-00000000dead"})";
  for (auto const* const token : {"ann", "agent", "service"}) CHECK(put(token, body).status == 403);
  CHECK(published.empty());
  auto const response = put("operator", body);
  CHECK(response.status == 202);
  REQUIRE(published.size() == 1);
  CHECK(published[0].envelope.type == "omnibus.person.recorded.v1");
  CHECK(published[0].key == nobody);
  CHECK(published[0].data.starts_with(R"({"domain":"shop.example","user_id":"00000000-0000-4000-8000-00000000dead")"));
  CHECK(published[0].data.find(R"("status":"PENDING")") != std::string::npos);
  CHECK(has(response, published[0].envelope.id));
  CHECK(put("everywhere", body).status == 400);
}

TEST_CASE_FIXTURE(MatchWorld, "a person that breaks a rule is 422 with the field") {
  struct Row {
    std::string body;
    int status;
    std::string_view field;
  };
  for (auto const& row : std::vector<Row>{
           {quoted("timezone", "PST"), 422, "timezone"},
           {quoted("timezone", "+03"), 422, "timezone"},
           {quoted("timezone", "FOO-7"), 422, "timezone"},
           {quoted("timezone", "EST5EDT,M3.2.0,M11.1.0"), 422, "timezone"},
           {quoted("timezone", "localtime"), 422, "timezone"},
           {quoted("timezone", "posixrules"), 422, "timezone"},
           {quoted("timezone", "Factory"), 422, "timezone"},
           {quoted("timezone", "posix/Europe/Berlin"), 422, "timezone"},
           {quoted("timezone", "right/Europe/Berlin"), 422, "timezone"},
           {quoted("timezone", "europe/berlin"), 422, "timezone"},
           {quoted("timezone", ""), 422, "timezone"},
           {quoted("timezone", "Europe/Berlin"), 202, ""},
           {quoted("narrative", std::string(8001, 'x')), 422, "narrative"},
           {quoted("narrative", std::string(8000, 'x')), 202, ""},
           {quoted("email", R"(a@b.example\r\nBcc: x@example.org)"), 422, "email"},
           {quoted("email", "ann"), 422, "email"},
           {quoted("email", "ann@"), 422, "email"},
           {quoted("email", "a b@c.example"), 422, "email"},
           {quoted("email", "a@b@c.example"), 422, "email"},
           {quoted("email", "a,x@b.example"), 422, "email"},
           {quoted("email", "ännchen@b.example"), 422, "email"},
           {quoted("email", std::string(250, 'a') + "@b.cd"), 422, "email"},
           {quoted("email", "ann+reports@b.example"), 202, ""},
           {quoted("status", "FRIEND"), 422, "status"},
           {quoted("deep_analysis_consent_at", "2026-11-29T10:00:00"), 422, "deep_analysis_consent_at"},
           {quoted("deep_analysis_consent_at", "0001-01-01T00:00:00+23:59"), 422, "deep_analysis_consent_at"},
           {quoted("deep_analysis_consent_at", "9999-12-31T23:59:60Z"), 422, "deep_analysis_consent_at"},
           {quoted("deep_analysis_consent_at", format_time_ms(wall_clock_ms() + 360'000)), 422,
            "deep_analysis_consent_at"},
           {quoted("deep_analysis_consent_at", format_time_ms(wall_clock_ms() + 240'000)), 202, ""},
           {quoted("deep_analysis_consent_at", "2020-01-01T00:00:00+23:59"), 202, ""},
           {R"({"handle":"Eve\r\nBcc: x@example.org"})", 422, "handle"},
           {R"({"handle":"Eve\u0085Bcc"})", 422, "handle"},
           {R"({"handle":"\u009b31mEve"})", 422, "handle"},
           {R"({"handle":"Eve\u2028x"})", 422, "handle"},
           {R"({"handle":"Eve\u202egnp.exe"})", 422, "handle"},
           {R"({"handle":"Eve\u2066x"})", 422, "handle"},
           {R"({"handle":"Zo\u00eb \u00a0 \u2019 \ud83d\udc69\u200d\ud83c\udf73"})", 202, ""},
           {R"({"handle":")" + std::string(65, 'x') + R"("})", 422, "handle"},
           {R"({"handle":")" + std::string(64, 'x') + R"("})", 202, ""},
           {R"({"handle":"bob"})", 409, "handle"},
           {R"({"handle":5})", 422, "handle"},
           {quoted("narative", "I cook"), 422, "narative"},  // would empty the real one
           {quoted("role", "admin"), 422, "role"},
           {quoted("domain", "bank.example"), 422, "domain"},
           {quoted("user_id", std::string(ann)), 422, "user_id"},
           {"{}", 422, "handle"},
           {"[]", 400, ""},
           {"", 400, ""},
       }) {
    CAPTURE(row.body.substr(0, 60));
    published.clear();
    auto const response = serve(request("operator", "PUT", person_path, row.body));
    CHECK(response.status == row.status);
    CHECK(published.size() == (row.status == 202 ? 1U : 0U));
    if (!row.field.empty()) CHECK(has(response, "\"field\":\"" + std::string(row.field) + "\""));
  }
}

TEST_CASE_FIXTURE(MatchWorld, "whoever prefers to wait gets the person as recorded") {
  auto put = request("operator", "PUT", "/v1/people/" + std::string(ann), R"({"handle":"ann"})");
  put.headers.add("Prefer", "wait=5");
  handled = HandledEvent{};
  auto const response = serve(put);
  CHECK(response.status == 200);
  CHECK(has(response, "story of ann"));
}

TEST_CASE_FIXTURE(MatchWorld, "a report is rated by its person alone, 1 to 5") {
  auto const path = "/v1/reports/" + std::string(report) + "/rating";
  auto const rate = [&](std::string_view token, std::string body) {
    return serve(request(token, "PUT", path, std::move(body))).status;
  };
  for (auto const* const body : {R"({"rating":0})", R"({"rating":6})", R"({"rating":"5"})", R"({"rating":4.5})", "{}",
                                 R"({"rating":5,"note":"x"})"})
    CHECK_MESSAGE(rate("ann", body) == 422, body);
  CHECK(rate("ann", "5") == 400);
  CHECK(rate("bob", R"({"rating":5})") == 404);
  CHECK(rate("banker", R"({"rating":5})") == 403);
  for (auto const* const token : {"agent", "operator", "admin", "service"})
    CHECK(rate(token, R"({"rating":5})") == 403);
  CHECK(published.empty());
  CHECK(rate("ann", R"({"rating":5})") == 202);
  REQUIRE(published.size() == 1);
  CHECK(published[0].envelope.type == "omnibus.report.rated.v1");
  CHECK(published[0].key == ann);
  CHECK(published[0].data == R"({"domain":"shop.example","user_id":")" + std::string(ann) + R"(","report_id":")" +
                                 std::string(report) + R"(","rating":5})");
  execute("UPDATE omniscient_reports SET rating = 5");
  auto waiting_request = request("ann", "PUT", path, R"({"rating":5})");
  waiting_request.headers.add("Prefer", "wait=5");
  handled = HandledEvent{};
  auto const rated = serve(waiting_request);
  CHECK(rated.status == 200);
  CHECK(asked_worker == "report");
  CHECK(has(rated, R"("rating":5)"));
}

TEST_CASE_FIXTURE(MatchWorld, "a collaboration is tracked by operators of the outcome's tenant") {
  auto const track = [&](std::string_view token, std::string const& path = collaboration_path) {
    return serve(request(token, "POST", path, R"({"tracked":true,"details":"they founded a bakery"})"));
  };
  for (auto const* const token : {"ann", "agent", "service"}) CHECK(track(token).status == 403);
  CHECK(track("banker").status == 404);
  CHECK(track("operator", "/v1/outcomes/" + std::string(nobody) + "/collaboration").status == 404);
  CHECK(published.empty());
  CHECK(track("operator").status == 202);
  REQUIRE(published.size() == 1);
  CHECK(published[0].envelope.type == "omnibus.outcome.collaboration.tracked.v1");
  CHECK(published[0].key == held);
  CHECK(published[0].data.find("bakery") != std::string::npos);
  CHECK(serve(request("operator", "POST", collaboration_path, R"({"details":"x"})")).status == 422);
}
