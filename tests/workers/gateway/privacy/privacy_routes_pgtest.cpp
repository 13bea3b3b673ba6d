#include "events/gdpr.hpp"
#include "json/decode.hpp"
#include "subjects/subjects.hpp"
#include "tests/workers/gateway/privacy/privacy_world.hpp"
#include "workers/gateway/privacy/privacy_answers.hpp"

#include <algorithm>
#include <string>
#include <vector>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

namespace {

constexpr char const* exports = "/v1/gdpr/exports";
constexpr char const* deletions = "/v1/gdpr/deletions";

std::string body_of(std::string_view name, std::string_view value) {
  return "{\"" + std::string{name} + "\":\"" + std::string{value} + "\"}";
}

AcceptedPrivacyRequest accepted(DownloadingClient const& client) {
  CAPTURE(client.body);
  REQUIRE(client.status == 202);
  return json::decode<AcceptedPrivacyRequest>(client.body).value();
}

GdprDeletionRequested deletion(Publisher::Event const& event) {
  return json::decode<GdprDeletionRequested>(event.data).value();
}

}  // namespace

TEST_CASE_FIXTURE(PrivacyWorld,
                  "the routes are for admins of the tenant alone, and each refusal and access is logged") {
  add_archive("bytes");
  struct Row {
    std::string method, target, body;
    int allowed;
  };
  std::vector<Row> const rows{{"POST", exports, body_of("session_id", "s1"), 202},
                              {"POST", deletions, body_of("session_id", "s1"), 202},
                              {"GET", "/v1/gdpr/requests", "", 200},
                              {"GET", "/v1/gdpr/requests/" + std::string{export_id}, "", 200},
                              {"GET", "/v1/gdpr/audit", "", 200},
                              {"GET", "/v1/gdpr/audit?format=csv", "", 200},
                              {"GET", "/v1/gdpr/audit/options", "", 200},
                              {"GET", std::string{archive_path}, "", 200}};
  for (auto const& row : rows) {
    CAPTURE(row.target);
    for (auto const* const role : {"visitor", "agent", "operator", "service", "operator-everywhere"}) {
      CAPTURE(role);
      auto const before = std::stoi(value("SELECT count(*) FROM access_log WHERE result = 'refused'"));
      CHECK(serve(request(role, row.method, row.target, row.body)).status == 403);
      CHECK(std::stoi(value("SELECT count(*) FROM access_log WHERE result = 'refused'")) == before + 1);
    }
    CHECK(serve(request("", row.method, row.target, row.body)).status == 401);
    auto const domain = row.target.find('?') == std::string::npos ? "?domain=" : "&domain=";
    CHECK(serve(request("banker", row.method, row.target + domain + "shop.example", row.body)).status == 404);
    auto const allowed = std::stoi(value("SELECT count(*) FROM access_log WHERE result = 'allowed'"));
    CHECK(serve(request("admin", row.method, row.target, row.body)).status == row.allowed);
    CHECK(std::stoi(value("SELECT count(*) FROM access_log WHERE result = 'allowed'")) == allowed + 1);
  }
  CHECK(get("banker", "/v1/gdpr/requests/" + std::string{export_id}).status == 404);
  CHECK(get("banker", std::string{archive_path}).status == 404);
  CHECK(get("everywhere", "/v1/gdpr/requests?domain=shop.example").status == 200);
  CHECK(get("everywhere", "/v1/gdpr/requests").status == 400);
  CHECK(get("everywhere", "/v1/gdpr/audit").status == 200);
}

TEST_CASE_FIXTURE(PrivacyWorld, "every spelling of a number asks for the same person, and what cannot be read is 422") {
  auto const first = accepted(post("admin", deletions, body_of("phone_number", "0788 123 456")));
  for (auto const* const spelling : {"00250 788-123-456", "250788123456", "+250 788 123 456"})
    CHECK(accepted(post("admin", deletions, body_of("phone_number", spelling))).request_id == first.request_id);
  auto const asked = deletion(published.front());
  CHECK(asked.request_id == first.request_id);
  CHECK(published.front().envelope.id == to_string(first.request_id));
  CHECK(published.front().key == asked.subject_key);
  CHECK(asked.subject_key == sender_key("a secret of sixteen bytes", "shop.example", "+250788123456").text());
  CHECK(asked.requested_by == parse_uuid(value("SELECT id FROM principals WHERE name = 'admin'")));
  auto const sent = published.size();
  for (auto const* const wrong :
       {R"({"phone_number":"hello"})", R"({"phone_number":"12"})", R"({})",
        R"({"phone_number":"+250788123456","session_id":"s"})", R"({"user_id":"x"})", R"({"session_id":""})",
        R"({"session_id":"s","reason":"because Ann asked"})", R"({"phone_number":788123456})"}) {
    CAPTURE(wrong);
    auto const refused = post("admin", deletions, wrong);
    CHECK(refused.status == 422);
    CHECK(refused.body.find("hello") == std::string::npos);
    CHECK(refused.body.find("Ann") == std::string::npos);
  }
  CHECK(post("admin", deletions, "no json").status == 400);
  CHECK(published.size() == sent);
}

TEST_CASE_FIXTURE(PrivacyWorld, "while a request runs its id is returned, and afterwards there is a new one") {
  auto const body = body_of("session_id", "s1");
  auto const first = accepted(post("admin", deletions, body));
  CHECK(accepted(post("admin", exports, body)).request_id != first.request_id);
  auto const key = deletion(published.front()).subject_key;
  execute(
      "INSERT INTO gdpr_requests (id, domain, kind, subject_key, status) VALUES ($1, 'shop.example', 'delete', $2,"
      " 'held')",
      pqxx::params{to_string(first.request_id), key});
  published.clear();
  CHECK(accepted(post("admin", deletions, body)).request_id == first.request_id);
  CHECK(published.empty());
  execute("UPDATE gdpr_requests SET status = 'completed'");
  auto const second = accepted(post("admin", deletions, body));
  CHECK(second.request_id != first.request_id);
  CHECK(published.size() == 1);
  // The same person of another tenant is another person.
  CHECK(accepted(post("banker", deletions, body)).request_id != second.request_id);
}

TEST_CASE_FIXTURE(PrivacyWorld, "a person who is not there is no different, and another tenant's is not found") {
  CHECK(post("admin", deletions, body_of("user_id", shop_user)).status == 202);
  CHECK(post("admin", deletions, body_of("user_id", to_string(random_uuid()))).status == 202);
  CHECK(post("admin", exports, body_of("customer_id", to_string(random_uuid()))).status == 202);
  auto const sent = published.size();
  CHECK(post("admin", deletions, body_of("user_id", bank_user)).status == 404);
  auto const customer = to_string(random_uuid());
  execute(
      "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) VALUES ('bank.example', $1,"
      " 'phone', '0123456789abcdef0123456789abcdef', 'x')",
      pqxx::params{customer});
  CHECK(post("admin", exports, body_of("customer_id", customer)).status == 404);
  // Any id is a subject key: those of another tenant's conversations and profiles are no way to them, either.
  for (auto const* const row :
       {"INSERT INTO conversations (id, domain, session_id) VALUES ($1, 'bank.example', 's')",
        "INSERT INTO profiles (id, domain, phone_number) VALUES ($1, 'bank.example', '+250788000001')"}) {
    auto const id = to_string(random_uuid());
    execute(row, pqxx::params{id});
    CHECK(post("admin", deletions, body_of("user_id", id)).status == 404);
    CHECK(post("admin", exports, body_of("customer_id", id)).status == 404);
    CHECK(post("banker", exports, body_of("customer_id", id)).status == 202);
  }
  CHECK(accepted(post("banker", exports, body_of("customer_id", customer))).request_id != Uuid{});
  CHECK(json::decode<GdprExportRequested>(published.back().data).value().identities ==
        std::vector<std::string>{"0123456789abcdef0123456789abcdef"});
  CHECK(published.size() == sent + 3);
}

TEST_CASE_FIXTURE(PrivacyWorld, "a deletion under a legal hold is accepted as held, until when it says") {
  auto const body = body_of("session_id", "s1");
  auto const before = accepted(post("admin", deletions, body));
  CHECK(!before.status);
  execute("UPDATE gdpr_requests SET status = 'completed'");
  auto const key = deletion(published.front()).subject_key;
  execute("INSERT INTO legal_holds (domain, subject_key, until) VALUES ('bank.example', $1, '2098-01-01Z')",
          pqxx::params{key});
  CHECK(!accepted(post("admin", deletions, body)).status);
  execute("INSERT INTO legal_holds (domain, subject_key, until) VALUES ('shop.example', $1, '2099-01-01Z')",
          pqxx::params{key});
  auto const held = accepted(post("admin", deletions, body));
  CHECK(held.status == "held");
  CHECK(held.held_until == "2099-01-01T00:00:00Z");
  CHECK(!accepted(post("admin", exports, body)).status);
  execute("INSERT INTO legal_holds (domain) VALUES ('shop.example')");
  auto const without_end = accepted(post("admin", deletions, body));
  CHECK(without_end.status == "held");
  CHECK(!without_end.held_until);
  // The worker has set it aside.
  execute(
      "INSERT INTO gdpr_requests (id, domain, kind, subject_key, status, held_until) VALUES ($1, 'shop.example', "
      "'delete',"
      " $2, 'held', '2099-01-01Z')",
      pqxx::params{to_string(without_end.request_id), key});
  handled = HandledEvent{};
  auto asked = request("admin", "POST", deletions, body);
  asked.headers.add("Prefer", "wait=5");
  auto const shown = serve(asked);
  CHECK(shown.status == 202);
  CHECK(shown.body.find("\"status\":\"held\"") != std::string::npos);
}

TEST_CASE_FIXTURE(PrivacyWorld, "who prefers to wait gets the request as it is then") {
  execute(
      "INSERT INTO gdpr_requests (id, domain, kind, subject_key, status, counts) SELECT $1, 'shop.example', 'delete',"
      " $2, 'completed', '{\"messages\": 0}'",
      pqxx::params{to_string(random_uuid()), "0123456789abcdef0123456789abcdef"});
  auto asked = request("admin", "POST", deletions, body_of("session_id", "s1"));
  asked.headers.add("Prefer", "wait=5");
  handled = HandledEvent{};
  auto const early = serve(asked);
  CHECK(early.status == 202);  // handled, but the row is not there
  auto const id = json::decode<AcceptedPrivacyRequest>(early.body).value().request_id;
  execute("UPDATE gdpr_requests SET id = $1, subject_key = $2",
          pqxx::params{to_string(id), deletion(published.front()).subject_key});
  execute("UPDATE gdpr_requests SET status = 'running'");
  auto const shown = serve(asked);
  CHECK(shown.status == 200);
  CHECK(shown.header("Preference-Applied") == "wait=5");
  CHECK(shown.body.find("\"status\":\"running\"") != std::string::npos);
  handled = HandledEvent{"database"};
  CHECK(serve(asked).status == 500);
}

TEST_CASE_FIXTURE(PrivacyWorld, "requests are listed by state in pages, and show which found nothing") {
  for (int i = 0; i < 5; ++i)
    execute(
        "INSERT INTO gdpr_requests (id, domain, kind, subject_key, status, counts, created_at) VALUES"
        " (gen_random_uuid(), 'shop.example', 'delete', '0123456789abcdef0123456789abcdef', $1,"
        " jsonb_build_object('messages', $2::int), now() - make_interval(mins => $2::int))",
        pqxx::params{i < 4 ? "completed" : "running", i});
  auto const page = json::decode<RequestList>(get("admin", "/v1/gdpr/requests?status=completed&limit=3").body).value();
  REQUIRE(page.requests.size() == 3);
  CHECK(page.requests[0].found_nothing == true);
  CHECK(page.requests[1].found_nothing == false);
  auto const rest = json::decode<RequestList>(
                        get("admin", "/v1/gdpr/requests?status=completed&limit=3&cursor=" + *page.next_cursor).body)
                        .value();
  CHECK(rest.requests.size() == 1);
  CHECK_FALSE(rest.next_cursor);
  for (auto const* const wrong : {"?status=none", "?cursor=x", "?limit=0", "?kind=x"}) {
    CAPTURE(wrong);
    CHECK(get("admin", std::string{"/v1/gdpr/requests"} + wrong).status == 400);
  }
}

TEST_CASE_FIXTURE(PrivacyWorld, "the audit is filtered, paged, and the same as csv") {
  for (int i = 0; i < 4; ++i)
    execute(
        "INSERT INTO gdpr_audit_log (domain, actor, action, status, payload, created_at) VALUES ($1, $2, $3, 'done',"
        " '{\"messages\": 1, \"rows\": 2}', '2026-11-01T10:00:00Z'::timestamptz + make_interval(days => $4::int))",
        pqxx::params{i == 3 ? "bank.example" : "shop.example", i == 0 ? "worker:gdpr" : "worker:control",
                     i == 1 ? "erasure.rows" : "export.begun", i});
  auto const count = [&](std::string const& query, std::string_view token = "admin") {
    auto const answer = get(token, "/v1/gdpr/audit" + query);
    CAPTURE(answer.body);
    REQUIRE(answer.status == 200);
    return json::decode<AuditList>(answer.body).value().entries.size();
  };
  CHECK(count("") == 3);
  CHECK(count("", "everywhere") == 4);
  CHECK(count("?domain=shop.example", "everywhere") == 3);
  CHECK(count("?actor=worker:control") == 2);
  CHECK(count("?action=erasure.rows") == 1);
  CHECK(count("?from=2026-11-02T10:00:00Z&to=2026-11-03T10:00:00Z") == 1);
  CHECK(get("admin", "/v1/gdpr/audit?from=yesterday").status == 400);
  auto const csv = get("admin", "/v1/gdpr/audit?format=csv&action=erasure.rows");
  CHECK(csv.header("Content-Type") == "text/csv; charset=utf-8");
  CHECK(
      csv.body.starts_with("created_at,domain,actor,action,status,subject_key,request_id,payload,id\r\n"
                           "2026-11-02T10:00:00.000000Z,shop.example,worker:control,erasure.rows,done,,,"
                           "\"{\"\"rows\"\": 2, \"\"messages\"\": 1}\","));
  CHECK(std::ranges::count(get("everywhere", "/v1/gdpr/audit?format=csv").body, '\n') == 5);
  auto const options = json::decode<privacy::AuditOptions>(get("admin", "/v1/gdpr/audit/options").body).value();
  CHECK(options.domains == std::vector<std::string>{"shop.example"});
  CHECK(options.actors == std::vector<std::string>{"worker:control", "worker:gdpr"});
  CHECK(options.actions == std::vector<std::string>{"erasure.rows", "export.begun"});
}

TEST_CASE_FIXTURE(PrivacyWorld, "neither number nor name gets into the access log, whatever is asked") {
  post("admin", deletions, body_of("phone_number", "+250788123456"));
  post("admin", deletions, body_of("phone_number", "Ann Canary"));
  post("agent", deletions + std::string{"?phone_number=%2B250788123456"}, body_of("phone_number", "+250788123456"));
  get("admin", "/v1/gdpr/audit?actor=Ann%20Canary");
  get("agent", "/v1/gdpr/audit?actor=Ann%20Canary");
  CHECK(value("SELECT count(*) FROM access_log") != "0");
  CHECK(value("SELECT count(*) FROM access_log WHERE to_jsonb(access_log)::text ~ '788123456|Canary'") == "0");
}
