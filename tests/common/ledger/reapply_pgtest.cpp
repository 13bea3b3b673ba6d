// A database that was restored from a backup, and the ledger of what happened after the backup.
#include "ledger/reapply.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <memory>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::ledger;

namespace {

constexpr char const* anna = "0123456789abcdef0123456789abcdef";
constexpr char const* bob = "fedcba9876543210fedcba9876543210";
constexpr char const* request = "6f0d3a52-7f0c-4c1e-9d58-0d2f4b1f9a02";

void run(std::string const& url, std::string const& sql) {
  pqxx::connection connection{url};
  pqxx::nontransaction{connection}.exec(sql);
}

std::string value_in(std::string const& url, std::string const& sql) {
  pqxx::connection connection{url};
  return pqxx::nontransaction{connection}.exec(sql).one_field().as<std::string>("null");
}

/// A copy of a database at one moment.
class Backup : public omnibus::test::EmptyDatabase {
 public:
  explicit Backup(std::string const& database) : EmptyDatabase{database} {}
};

/// The database as it is, and a backup of it.
struct BackedUp {
  omnibus::test::TestDatabase live;
  std::unique_ptr<Backup> backup;

  BackedUp() { live.add_tenant("shop.example"); }
  void execute(std::string const& sql) const { run(live.url(), sql); }
  void dump() { backup = std::make_unique<Backup>(value_in(live.url(), "SELECT current_database()")); }
  std::string restored(std::string const& sql) const { return value_in(backup->url(), sql); }
  /// The topic, as the relay publishes it.
  LedgerRead topic() const {
    pqxx::connection connection{live.url()};
    pqxx::nontransaction query{connection};
    LedgerRead read;
    for (auto const& [id, sequence, domain, kind, facts, at] :
         query.query<std::string, std::int64_t, std::string, std::string, std::string, std::string>(
             "SELECT id, sequence, domain, kind, facts::text, to_char(recorded_at AT TIME ZONE 'UTC', "
             "'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"') FROM pipeline.ledger ORDER BY "
             "sequence"))
      read.entries.push_back({*parse_uuid(id), sequence, domain, kind, {facts}, at});
    return read;
  }
  ReapplyPlan plan() const {
    pqxx::connection connection{backup->url_as("admin")};
    pqxx::work transaction{connection};
    return plan_reapply(transaction, topic());
  }
  /// @return the erasures to ask for
  std::vector<GdprDeletionRequested> reapply_all() const {
    pqxx::connection connection{backup->url_as("admin")};
    pqxx::work transaction{connection};
    reapply(transaction, plan_reapply(transaction, topic()), "operator:test");
    auto erasures = open_erasures(transaction);
    transaction.commit();
    return erasures;
  }
  void ask_for_erasure() const {
    execute(
        fmt::format("INSERT INTO gdpr_requests (id, domain, kind, subject_key, identities, reason) VALUES ('{0}', "
                    "'shop.example', 'delete', '{1}', '{{{1},{2}}}', 'objection')",
                    request, anna, bob));
  }
  void erase() const {
    execute(fmt::format("SELECT pipeline.begin_erasure('{}', 'shop.example', '{{{}}}', '{{{}}}')", request, anna, bob));
    execute(fmt::format(R"(SELECT pipeline.set_erasure_positions('{{{}}}', '{{"chat.messages": {{"0": 7}}}}'))", anna));
    execute(fmt::format("UPDATE gdpr_requests SET status = 'completed' WHERE id = '{}'", request));
  }
};

}  // namespace

TEST_CASE_FIXTURE(BackedUp, "a database is as old as the ledger until something happens that it must not forget") {
  dump();
  CHECK(plan().entries.empty());
  execute(fmt::format("INSERT INTO suppressions VALUES ('shop.example', 'sms', '{}', now(), 'stop')", anna));
  CHECK(plan().entries.size() == 1);
  dump();
  CHECK(plan().entries.empty());
}

TEST_CASE_FIXTURE(BackedUp, "an erasure after the backup is refused at its positions again, and asked for again") {
  dump();
  ask_for_erasure();
  erase();
  CHECK(restored(fmt::format("SELECT pipeline.refusal('{}', 'chat.messages', 0, 6)", anna)) == "null");
  auto const erasures = reapply_all();
  CHECK(restored(fmt::format("SELECT pipeline.refusal('{}', 'chat.messages', 0, 6)", anna)) == "erased");
  CHECK(restored(fmt::format("SELECT pipeline.refusal('{}', 'chat.messages', 0, 7)", anna)) == "null");
  CHECK(restored(fmt::format("SELECT pipeline.refusal('{}', 'chat.messages', 0, 99)", bob)) == "erased");
  REQUIRE(erasures.size() == 1);
  CHECK(to_string(erasures[0].request_id) == request);
  CHECK(erasures[0].subject_key == anna);
  CHECK(erasures[0].identities == std::vector<std::string>{bob});
  CHECK(erasures[0].reason == "objection");
  CHECK_FALSE(validate(erasures[0]));
  CHECK(restored("SELECT pipeline.reapplied_erasures()") == "1");
  // Done again under its id, it keeps the positions.
  run(backup->url(), fmt::format("SELECT pipeline.begin_erasure('{}', 'shop.example', '{{{}}}')", request, anna));
  CHECK(restored(fmt::format("SELECT pipeline.refusal('{}', 'chat.messages', 0, 7)", anna)) == "null");
  run(backup->url(), fmt::format("UPDATE gdpr_requests SET status = 'completed' WHERE id = '{}'", request));
  CHECK(restored("SELECT pipeline.reapplied_erasures()") == "0");
  CHECK(restored("SELECT payload FROM gdpr_audit_log WHERE action = 'ledger.reapplied'") == "{\"entries\": 4}");
}

TEST_CASE_FIXTURE(BackedUp,
                  "an erasure that was open in the backup is asked for again, and an open export has failed") {
  ask_for_erasure();
  execute(
      fmt::format("INSERT INTO gdpr_requests (id, domain, kind, subject_key) VALUES (gen_random_uuid(), "
                  "'shop.example', 'export', '{}')",
                  anna));
  dump();
  erase();
  CHECK(reapply_all().size() == 1);
  CHECK(restored("SELECT status || ' ' || error FROM gdpr_requests WHERE kind = 'export'") == "failed restored");
}

TEST_CASE_FIXTURE(BackedUp, "opt-outs after the backup hold, and those that were lifted are lifted") {
  auto const opted_out = fmt::format(
      "SELECT string_agg(left(subject_key, 1) || channel || since::date, ' ' ORDER BY subject_key) FROM suppressions");
  execute(
      fmt::format("INSERT INTO profiles (domain, phone_number, subject_key, allows_sms) VALUES ('shop.example', "
                  "'+250788000001', '{}', true), ('shop.example', '+250788000002', '{}', false)",
                  anna, bob));
  dump();
  CHECK(restored(opted_out).starts_with("fsms"));
  execute(fmt::format("INSERT INTO suppressions VALUES ('shop.example', 'sms', '{}', '2026-11-20', 'stop')", anna));
  execute("DELETE FROM suppressions WHERE channel = 'sms' AND subject_key LIKE 'f%'");
  reapply_all();
  CHECK(restored(opted_out) == "0sms2026-11-20");
  CHECK(restored("SELECT string_agg(allows_sms::text || (sms_opt_out_at IS NULL), ' ' ORDER BY phone_number) FROM "
                 "profiles") == "falsefalse truetrue");
}

TEST_CASE_FIXTURE(BackedUp, "a join that was undone after the backup stays undone") {
  execute(
      fmt::format("INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) SELECT "
                  "'shop.example', '00000000-0000-4000-8000-00000000000f', 'external', k, k FROM unnest(ARRAY['{}', "
                  "'{}']) AS k",
                  anna, bob));
  dump();
  execute(
      fmt::format("SELECT undo_identity_link(id, 'operator:ada') FROM identity_links WHERE subject_key = '{}'", bob));
  CHECK(restored("SELECT count(*) FROM identity_links") == "2");
  reapply_all();
  CHECK(restored("SELECT string_agg(subject_key, ' ') FROM identity_links") == anna);
}

TEST_CASE_FIXTURE(BackedUp, "the last word about one person counts, in the order in which it was said") {
  dump();
  for (auto const* each : {"INSERT INTO suppressions VALUES ('shop.example', 'sms', '{}', now(), 'stop')",
                           "DELETE FROM suppressions WHERE subject_key = '{}'",
                           "INSERT INTO suppressions VALUES ('shop.example', 'sms', '{}', now(), 'stop')"})
    execute(fmt::format(fmt::runtime(each), anna));
  reapply_all();
  CHECK(restored("SELECT count(*) FROM suppressions") == "1");
}

TEST_CASE_FIXTURE(BackedUp, "holds, their ends and withdrawn consents come back; granted ones are asked for again") {
  execute("INSERT INTO legal_holds (id, domain) VALUES ('00000000-0000-0000-0000-000000000001', 'shop.example')");
  dump();
  execute("UPDATE legal_holds SET released_at = now()");
  execute(fmt::format(
      "INSERT INTO legal_holds (domain, subject_key, until) VALUES ('shop.example', '{}', '2099-01-01')", anna));
  execute(
      fmt::format("INSERT INTO consents (domain, subject_key, purpose, granted, source, event_id) VALUES "
                  "('shop.example', '{0}', 'analytics', false, 'chat', gen_random_uuid()), ('shop.example', '{0}', "
                  "'marketing', true, 'chat', gen_random_uuid())",
                  anna));
  reapply_all();
  CHECK(restored("SELECT string_agg((released_at IS NULL)::text, ' ' ORDER BY created_at) FROM legal_holds") ==
        "false true");
  CHECK(restored(fmt::format("SELECT hold_on('shop.example', '{{{}}}')::date", anna)) == "2099-01-01");
  CHECK(restored("SELECT string_agg(purpose, ' ') FROM consents WHERE NOT granted") == "analytics");
}

TEST_CASE_FIXTURE(BackedUp,
                  "a destroyed key stays destroyed, and one that the backup does not have is known as destroyed") {
  auto const add = [&](char const* id, char const* key) {
    execute(
        fmt::format("INSERT INTO pipeline.subject_keys VALUES ('00000000-0000-0000-0000-00000000000{}', '{}', "
                    "'shop.example', '\\x01', '0123456789abcdef')",
                    id, key));
  };
  add("1", anna);
  dump();
  add("2", bob);
  execute(fmt::format("SELECT pipeline.destroy_subject_keys('{{{},{}}}')", anna, bob));
  CHECK(topic().entries.back().facts.text.find("wrapped") == std::string::npos);
  reapply_all();
  CHECK(restored("SELECT count(*) FROM pipeline.subject_keys WHERE destroyed_at IS NOT NULL AND wrapped_key IS NULL") ==
        "2");
}

TEST_CASE_FIXTURE(BackedUp, "a tenant that the backup does not have is named") {
  dump();
  live.add_tenant("new.example");
  execute(fmt::format("INSERT INTO suppressions VALUES ('new.example', 'sms', '{}', now(), 'stop')", anna));
  CHECK(plan().absent_tenants == std::vector<std::string>{"new.example"});
}

TEST_CASE_FIXTURE(BackedUp,
                  "after it the database contains the whole ledger, and its own entries come after all others") {
  dump();
  ask_for_erasure();
  erase();
  reapply_all();
  CHECK(plan().entries.empty());
  CHECK(reapply_all().size() == 1);  // until it has ended
  auto const last = topic().entries.back().sequence;
  run(backup->url(), fmt::format("INSERT INTO suppressions VALUES ('shop.example', 'sms', '{}', now(), 'stop')", anna));
  CHECK(std::stoll(restored("SELECT max(sequence) FROM pipeline.ledger")) > last);
}

TEST_CASE_FIXTURE(BackedUp, "entries hold keys and no text, and workers cannot write or remove them") {
  ask_for_erasure();
  erase();
  for (auto const& entry : topic().entries) CHECK_FALSE(validate(entry));
  for (auto const* role : {"gdpr", "sms", "chat", "gateway", "relay", "admin"})
    for (auto const* forbidden : {"DELETE FROM pipeline.ledger", "UPDATE pipeline.ledger SET facts = '{}'",
                                  "INSERT INTO pipeline.ledger (domain, kind, facts) VALUES ('x', 'erasures', '{}')"}) {
      CAPTURE(role);
      CAPTURE(forbidden);
      CHECK_THROWS_AS(run(live.url_as(role), forbidden), pqxx::insufficient_privilege);
    }
}

TEST_CASE_FIXTURE(BackedUp, "a person with many keys takes few entries, each of which a record holds") {
  execute(
      fmt::format("SELECT pipeline.begin_erasure('{}', 'shop.example', '{{}}', (SELECT array_agg(md5(i::text)) FROM "
                  "generate_series(1, 12000) i))",
                  request));
  CHECK(value_in(live.url(), "SELECT count(*) FROM pipeline.ledger") == "3");
  CHECK(std::stoll(value_in(live.url(), "SELECT max(length(facts::text)) FROM pipeline.ledger")) < 500'000);
}
