#include "privacy/archive_keys.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/gdpr/privacy_state.hpp"

#include <sstream>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::cli;

namespace {

constexpr char const* person = "0123456789abcdef0123456789abcdef";

struct PrivacyCommands {
  omnibus::test::TestDatabase database;
  pqxx::connection owner{database.url()};
  std::string said;  ///< by the tool, on stderr
  privacy::ArchiveKeys keys{{Secret{"the master key of a test"}, Secret{}}, ""};

  PrivacyCommands() { database.add_tenant("shop.example"); }
  void execute(std::string const& sql, pqxx::params const& params = {}) {
    pqxx::nontransaction(owner).exec(sql, params);
  }
  void add_request(std::string_view kind, std::string_view status, std::string_view counts, std::string_view age) {
    execute(
        "INSERT INTO gdpr_requests (id, domain, kind, subject_key, status, counts, created_at, completed_at) VALUES"
        " (gen_random_uuid(), 'shop.example', $1, $2, $3::text, $4::jsonb, now() - $5::interval,"
        " CASE WHEN $3::text = 'completed' THEN now() END)",
        pqxx::params{kind, person, status, counts, age});
  }
  PrivacyState state() {
    pqxx::connection connection{database.url_as("readonly")};
    pqxx::read_transaction transaction{connection};
    return read_privacy_state(transaction, keys);
  }
  /// Ends with the tool's status.
  int run_tool(std::string_view role, std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "omnibus");
    arguments.push_back("--database");
    arguments.push_back(database.url_as(role));
    std::vector<char const*> words;
    words.reserve(arguments.size());
    for (auto const& argument : arguments) words.push_back(argument.c_str());
    std::ostringstream out, err;
    auto const status = run(static_cast<int>(words.size()), words.data(), out, err);
    said = err.str();
    return status;
  }
  std::string value(std::string const& sql) {
    return pqxx::nontransaction(owner).exec(sql).one_field().as<std::string>("null");
  }
};

}  // namespace

TEST_CASE_FIXTURE(PrivacyCommands,
                  "a request is late after 24 hours, unless a hold keeps it; what found nothing is counted") {
  CHECK(state().alarms.empty());
  add_request("delete", "running", "{}", "23 hours");
  add_request("delete", "held", "{}", "3 days");
  add_request("delete", "completed", R"({"messages": 0, "topics": {"x": 0}})", "1 hour");
  add_request("delete", "completed", R"({"messages": 2})", "1 hour");
  add_request("export", "completed", "{}", "1 hour");
  CHECK(state().alarms.empty());
  CHECK(state().deletions_of_nothing == 1);
  CHECK(run_tool("readonly", {"monitor", "gdpr"}) == 0);
  add_request("export", "received", "{}", "25 hours");
  CHECK(state().late_requests == 1);
  CHECK(run_tool("readonly", {"monitor", "gdpr", "--json"}) == 2);
}

TEST_CASE_FIXTURE(PrivacyCommands, "pruning is late after 8 days, in an installation that is older") {
  execute("UPDATE tenants SET created_at = now() - interval '9 days'");
  CHECK(state().prune_is_late);
  execute(
      "INSERT INTO pipeline.maintenance_runs (name, cutoff, state, finished_at) VALUES"
      " ('gdpr-audit', now(), 'finished', now() - interval '7 days')");
  CHECK_FALSE(state().prune_is_late);
  execute("UPDATE pipeline.maintenance_runs SET finished_at = now() - interval '9 days'");
  CHECK(state().prune_is_late);
}

TEST_CASE_FIXTURE(PrivacyCommands, "an archive that the master keys do not open is an alarm until it expires") {
  add_request("export", "completed", "{}", "1 hour");
  auto const id = value("SELECT id FROM gdpr_requests");
  auto const other = privacy::ArchiveKeys{{Secret{"another master key"}, Secret{}}, ""}.wrap(
      random_aes_key(), privacy::archive_binding(id, 1, std::string(64, '0')));
  execute(
      "INSERT INTO gdpr_archives (request_id, domain, subject_key, archive_id, key_id, wrapped_key, size, sha256)"
      " VALUES ($1, 'shop.example', $2, gen_random_uuid(), $3, $4, 1, decode(repeat('00', 32), 'hex'))",
      pqxx::params{id, person, other.key_id, pqxx::binary_cast(other.sealed)});
  CHECK(state().unopened_archives == 1);
  keys = privacy::ArchiveKeys{{Secret{"the master key of a test"}, Secret{"another master key"}}, ""};
  CHECK(state().unopened_archives == 0);
  keys = privacy::ArchiveKeys{{Secret{}, Secret{}}, ""};
  execute("UPDATE gdpr_archives SET expires_at = now()");
  CHECK(state().unopened_archives == 0);
}

TEST_CASE_FIXTURE(PrivacyCommands, "a ledger that is not published is an alarm after five minutes") {
  execute("INSERT INTO legal_holds (domain) VALUES ('shop.example')");
  CHECK(state().alarms.empty());
  execute("UPDATE pipeline.ledger SET recorded_at = now() - interval '6 minutes'");
  CHECK(state().unpublished_entries == 1);
  CHECK(state().alarms.size() == 1);
  execute("UPDATE pipeline.ledger SET published_at = now()");
  CHECK(state().alarms.empty());
}

TEST_CASE_FIXTURE(PrivacyCommands, "holds are added, listed and removed by an admin") {
  setenv("PROFILE_KEY_SECRET", "a secret of sixteen bytes", 1);
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--phone", "+250788123456", "--until", "2099-01-01", "--json"}) == 0);
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--all"}) == 0);
  // What would hold nobody, or everybody by mistake, is refused.
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--phone", "+250788123456", "--until", "2020-01-01"}) == 1);
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--phone", "+250788123456", "--all"}) == 1);
  setenv("PROFILE_KEY_SECRET", "short", 1);
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--phone", "+250788123456"}) == 1);
  setenv("PROFILE_KEY_SECRET", "a secret of sixteen bytes", 1);
  CHECK(run_tool("admin", {"gdpr", "hold", "add"}) == 1);
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--phone", "hello"}) == 1);
  CHECK(value("SELECT count(*) FROM legal_holds WHERE subject_key IS NULL AND until IS NULL") == "1");
  CHECK(run_tool("readonly", {"gdpr", "hold", "ls"}) == 0);
  CHECK(run_tool("readonly", {"gdpr", "hold", "add", "--all"}) == 1);
  auto const id = value("SELECT id FROM legal_holds WHERE subject_key IS NULL");
  CHECK(run_tool("admin", {"gdpr", "hold", "rm", id}) == 0);
  CHECK(run_tool("admin", {"gdpr", "hold", "rm", id}) == 1);
  CHECK(value("SELECT count(*) FROM legal_holds WHERE released_at IS NULL") == "1");
}

TEST_CASE_FIXTURE(PrivacyCommands,
                  "a hold is on all keys by which retention and erasure find the person, and ends with all") {
  setenv("PROFILE_KEY_SECRET", "a secret of sixteen bytes", 1);
  constexpr char const* id = "00000000-0000-4000-8000-00000000000f";
  auto const held = [&](std::string const& key) {
    return value("SELECT hold_on('shop.example', ARRAY['" + key + "']) IS NOT NULL");
  };
  // Retention knows a person of the matches by their id, and a number's profile perhaps by its WhatsApp id.
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--user", id}) == 0);
  CHECK(held("0000000000004000800000000000000f") == "t");
  auto const hold = value("SELECT id FROM legal_holds ORDER BY id LIMIT 1");
  CHECK(run_tool("admin", {"gdpr", "hold", "rm", hold}) == 0);
  CHECK(held("0000000000004000800000000000000f") == "f");
  CHECK(value("SELECT count(*) FROM legal_holds WHERE released_at IS NULL") == "0");
  execute("INSERT INTO profiles (id, domain, phone_number, whatsapp_user_id) VALUES ('" + std::string{id} +
          "', 'shop.example', '+250788123456', 'RW.1A2b3C')");
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--whatsapp", "RW.1A2b3C"}) == 0);
  CHECK(held("0000000000004000800000000000000f") == "t");
}

TEST_CASE_FIXTURE(PrivacyCommands, "a hold on a customer, or on one of their identities, is on all of these") {
  constexpr char const* customer = "00000000-0000-4000-8000-0000000000ca";
  execute(
      "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) SELECT 'shop.example', $1,"
      " 'external', k, k FROM unnest(ARRAY['0000000000004000800000000000000f', 'fedcba9876543210fedcba9876543210']) AS "
      "k",
      pqxx::params{customer});
  auto const held = [&] { return value("SELECT hold_on('shop.example', ARRAY['fedcba9876543210fedcba9876543210'])"); };
  SUBCASE("the customer") {
    CHECK(run_tool("admin", {"gdpr", "hold", "add", "--customer", customer}) == 0);
  }
  SUBCASE("an identity") {
    CHECK(run_tool("admin", {"gdpr", "hold", "add", "--user", "00000000-0000-4000-8000-00000000000f"}) == 0);
  }
  CHECK(held() == "infinity");
}

TEST_CASE_FIXTURE(PrivacyCommands, "a hold that is set or lifted is in the audit log, with who did it") {
  setenv("USER", "Ada", 1);
  CHECK(run_tool("admin", {"gdpr", "hold", "add", "--all", "--until", "2099-01-01"}) == 0);
  auto const id = value("SELECT id FROM legal_holds");
  CHECK(run_tool("admin", {"gdpr", "hold", "rm", id}) == 0);
  execute("INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', $1)", pqxx::params{person});
  execute("DELETE FROM legal_holds WHERE subject_key IS NOT NULL");
  CHECK(value("SELECT string_agg(action || ' ' || actor, ', ' ORDER BY created_at, action) FROM gdpr_audit_log") ==
        "hold.set operator:ada, hold.lifted operator:ada, hold.set role:postgres, hold.removed role:postgres");
  CHECK(value("SELECT count(*) FROM gdpr_audit_log WHERE payload ->> 'hold' = '" + id + "'") == "2");
  CHECK(value("SELECT count(*) FROM gdpr_audit_log WHERE subject_key = '" + std::string{person} + "'") == "2");
  execute("DELETE FROM tenants");
}

TEST_CASE_FIXTURE(PrivacyCommands, "a join is undone by an admin, and no open or held request concerns both any more") {
  constexpr char const* stranger = "fedcba9876543210fedcba9876543210";
  execute(
      "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) SELECT 'shop.example',"
      " '00000000-0000-4000-8000-00000000000f', 'external', k, k FROM unnest(ARRAY[$1, $2]) AS k",
      pqxx::params{person, stranger});
  auto const link = value("SELECT id FROM identity_links WHERE subject_key = '" + std::string{stranger} + "'");
  auto const unlink = [&](std::string_view role) { return run_tool(role, {"gdpr", "unlink", link}); };
  setenv("USER", "Ada", 1);
  CHECK(unlink("readonly") == 1);
  add_request("delete", "received", "{}", "1 minute");
  CHECK(unlink("admin") == 1);
  execute("UPDATE gdpr_requests SET status = 'completed'");
  // It was asked for with both.
  execute(
      "INSERT INTO gdpr_requests (id, domain, kind, subject_key, identities, status) VALUES"
      " (gen_random_uuid(), 'shop.example', 'delete', $1::text, ARRAY[$1::text, $2], 'held')",
      pqxx::params{person, stranger});
  CHECK(value("SELECT count(*) FROM identity_links") == "2");
  CHECK(unlink("admin") == 0);
  CHECK(value("SELECT string_agg(subject_key, ' ') FROM identity_links") == person);
  CHECK(value("SELECT string_agg(status || COALESCE(' ' || error, ''), ', ' ORDER BY status) FROM gdpr_requests") ==
        "completed, failed unlinked");
  CHECK(value("SELECT actor || ' ' || subject_key || ' ' || (payload ->> 'link') FROM gdpr_audit_log WHERE action ="
              " 'identity.unlinked'") == "operator:ada " + std::string{stranger} + " " + link);
  CHECK(unlink("admin") == 1);
  CHECK(run_tool("admin", {"gdpr", "unlink", "x"}) == 1);
}

TEST_CASE_FIXTURE(PrivacyCommands, "retention is 0 to 36,500 days, by the tool and in the database") {
  auto const set = [&](char const* days) {
    return run_tool("admin", {"tenant", "privacy", "shop.example", "--retention-days", days});
  };
  auto const days = [&] { return value("SELECT retention_days FROM privacy_preferences('shop.example')"); };
  CHECK(set("36500") == 0);
  CHECK(set("0") == 0);
  CHECK(days() == "0");
  for (auto const* const wrong : {"-1", "36501", "1.5", "many", ""}) CHECK(set(wrong) != 0);
  for (auto const* const wrong : {"-1", "36501", "1.5", "\"7\""})
    CHECK_THROWS(
        execute("UPDATE tenants SET settings = jsonb_build_object('privacy_preferences',"
                " jsonb_build_object('retention_days', $1::jsonb))",
                pqxx::params{wrong}));
  CHECK(days() == "0");
}

TEST_CASE_FIXTURE(PrivacyCommands, "another tenant's person is neither exported nor erased") {
  setenv("PROFILE_KEY_SECRET", "a secret of sixteen bytes", 1);
  constexpr char const* id = "00000000-0000-4000-8000-00000000000f";
  database.add_tenant("other.example");
  execute("INSERT INTO conversations (id, domain, session_id) VALUES ($1, 'other.example', 's')", pqxx::params{id});
  for (auto const* const command : {"export", "delete"})
    for (auto const* const identity : {"--user", "--customer"}) {
      CHECK(run_tool("readonly", {"gdpr", command, identity, id, "--domain", "shop.example"}) == 1);
      CHECK(said.find("belongs to another tenant") != std::string::npos);
    }
}

TEST_CASE_FIXTURE(PrivacyCommands, "requests and audit are listed, and every command has help") {
  add_request("delete", "completed", "{}", "1 hour");
  execute(
      "INSERT INTO gdpr_audit_log (domain, actor, action, status) VALUES ('shop.example', 'worker:gdpr', 'x', 'done')");
  for (auto const& arguments :
       std::vector<std::vector<std::string>>{{"gdpr", "requests"},
                                             {"gdpr", "requests", "--json", "--status", "completed"},
                                             {"gdpr", "audit"},
                                             {"gdpr", "audit", "--csv", "--from", "2026-11-01"},
                                             {"gdpr", "audit", "--json"}})
    CHECK(run_tool("readonly", arguments) == 0);
  CHECK(run_tool("readonly", {"gdpr", "audit", "--from", "yesterday"}) == 1);
  for (auto const& command : std::vector<std::vector<std::string>>{{"gdpr", "export"},
                                                                   {"gdpr", "delete"},
                                                                   {"gdpr", "requests"},
                                                                   {"gdpr", "audit"},
                                                                   {"gdpr", "hold", "add"},
                                                                   {"monitor", "gdpr"}}) {
    auto words = command;
    words.push_back("--help");
    CHECK(run_tool("readonly", words) == 0);
  }
}
