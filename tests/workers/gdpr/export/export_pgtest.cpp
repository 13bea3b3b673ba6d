#include "hash/hash.hpp"
#include "json/decode.hpp"
#include "privacy/archives.hpp"
#include "tests/workers/gdpr/export/opened_archive.hpp"
#include "tests/workers/gdpr/gdpr_tables.hpp"
#include "workers/gdpr/erasure/erasure_store.hpp"
#include "workers/gdpr/export/archive_maker.hpp"
#include "workers/gdpr/export/archive_writer.hpp"
#include "workers/gdpr/export/exported_tables.hpp"
#include "workers/gdpr/requests/request_store.hpp"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using namespace omnibus::gdpr::test;

namespace {

constexpr char const* shop = "shop.example";
std::string const secret = "a secret of sixteen bytes";
std::string const number = "+250788123456";
constexpr char const* ann = "00000000-0000-4000-8000-00000000000a";
constexpr char const* bob = "00000000-0000-4000-8000-00000000000b";
constexpr char const* match_id = "00000000-0000-4000-8000-000000000101";
constexpr char const* talk = "00000000-0000-4000-8000-000000000201";

/// Topics in memory.
struct FakeLog final : PersonLog {
  struct Kept {
    SubjectKey about;
    std::int64_t offset;
    std::string data;
  };
  void read(std::set<SubjectKey> const& keys, std::function<void(std::string_view)> const& begin,
            Visit const& visit) override {
    begin("sms.inbound");
    for (auto const& record : records) {
      if (!keys.contains(record.about)) continue;
      PersonRecord found{
          "sms.inbound", 0, record.offset, 1'764'410'400'000, "omnibus.sms.message.received.v1", record.data,
          {record.about}};
      visit(found);
    }
  }
  std::vector<Kept> records;
};

/// A person with a number, a WhatsApp id, a chat session and a place among those who are matched; and a stranger.
struct ExportWorld : GdprDatabase {
  SubjectKey phone = sender_key(secret, shop, number);
  SubjectKey session = session_key(secret, shop, "s1");
  privacy::ArchiveKeys keys{{Secret{"the master key of a test"}, Secret{}}, secret};
  FakeLog* log = new FakeLog;
  StoredArchives archives{{secret}, keys, std::unique_ptr<PersonLog>{log}};
  PostgresRequests requests;

  ExportWorld() {
    execute(
        "INSERT INTO profiles (id, domain, phone_number, whatsapp_user_id) VALUES"
        " ('00000000-0000-4000-8000-000000000001', 'shop.example', '+250788123456', 'RW.77'),"
        " ('00000000-0000-4000-8000-000000000002', 'shop.example', '+250788999999', NULL)");
    execute(
        "INSERT INTO omnichannel_sessions (domain, profile_id, primary_channel, last_channel, call_id) VALUES"
        " ('shop.example', '00000000-0000-4000-8000-000000000001', 'voice', 'sms', 'call-1')");
    execute(
        "INSERT INTO call_summaries (domain, call_id, summary) VALUES ('shop.example', 'call-1', 'canary of the call'),"
        " ('shop.example', 'call-2', 'a stranger calls')");
    execute(
        "INSERT INTO message_delivery_log (domain, profile_id, channel, direction, kind, status, content, effect_key)"
        " SELECT domain, id, 'sms', 'inbound', 'text', 'received', 'canary of the sms to ' || phone_number,"
        " gen_random_uuid() FROM profiles");
    execute(
        "INSERT INTO conversations (id, domain, session_id) VALUES"
        " ('00000000-0000-4000-8000-000000000011', 'shop.example', 's1'),"
        " ('00000000-0000-4000-8000-000000000012', 'shop.example', 's2'),"
        " ('00000000-0000-4000-8000-000000000013', 'other.example', 's1')");
    execute(
        "INSERT INTO messages (conversation_id, seq, role, content) SELECT id, 1, 'user', 'canary of ' || session_id"
        " FROM conversations");
    execute(
        "INSERT INTO suppressions (domain, channel, subject_key, source) VALUES ('shop.example', 'sms', $1, 'keyword')",
        pqxx::params{phone.text()});
    execute(
        "INSERT INTO consents (domain, subject_key, purpose, granted, source, event_id) VALUES"
        " ('shop.example', $1, 'analytics', false, 'widget', gen_random_uuid())",
        pqxx::params{session.text()});
    execute(
        "INSERT INTO gdpr_audit_log (domain, actor, action, subject_key, status) VALUES"
        " ('shop.example', gen_random_uuid()::text, 'consent.changed', $1, 'done')",
        pqxx::params{phone.text()});
    for (auto const& [kind, key, id] : {std::tuple{"phone", phone, "p"}, std::tuple{"session", session, "s"}})
      execute(
          "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) VALUES"
          " ('shop.example', '00000000-0000-4000-8000-0000000000cc', $1, $2, $3)",
          pqxx::params{kind, key.text(), id});
  }

  void add_matched_people() const {
    for (auto const& [id, handle] : {std::pair{ann, "ann"}, std::pair{bob, "bob"}}) {
      execute("INSERT INTO users (id, domain, handle, email) VALUES ($1, 'shop.example', $2, $2 || '@shop.example')",
              pqxx::params{id, handle});
      execute("INSERT INTO personal_stories (user_id, narrative) VALUES ($1, 'the story of ' || $2::text)",
              pqxx::params{id, handle});
    }
    execute(
        "INSERT INTO omniscient_matches (id, user_a_id, user_b_id, domain, match_reasoning, cancel_reason) VALUES"
        " ($1, $2, $3, 'shop.example', 'Ann would like Bob: the story of bob', 'withdrawn by Bob')",
        pqxx::params{match_id, ann, bob});
    execute(
        "INSERT INTO omniscient_insight_overrides (match_id, actor, before, after) VALUES ($1, gen_random_uuid(),"
        " jsonb_build_array('of Bob ' || $2::text), '[]')",
        pqxx::params{match_id, bob});
    execute(
        "INSERT INTO omniscient_conversations (id, match_id, status, domain, stop_reason) VALUES ($1, $2, 'failed',"
        " 'shop.example', 'withdrawn')",
        pqxx::params{talk, match_id});
    for (int turn = 1; turn <= 2; ++turn)
      execute(
          "INSERT INTO omniscient_turns (conversation_id, turn_number, speaker_user_id, speaker_role, message)"
          " VALUES ($1, $2, $3, $4, 'words ' || $2::int)",
          pqxx::params{talk, turn, turn == 1 ? ann : bob, turn == 1 ? "agent_a" : "agent_b"});
    execute("INSERT INTO omniscient_blocks (user_id, other_id) VALUES ($1, $2)", pqxx::params{bob, ann});
  }

  GdprRequest receive(GdprRequest request) {
    in_unit([&](UnitOfWork& unit) { requests.receive(unit, request, export_kind); });
    return request;
  }

  /// The files of the export of who has that key.
  std::map<std::string, std::string> exported(SubjectKey const& key, std::vector<std::string> aliases = {}) {
    auto const request = receive(request_about(key.text(), std::move(aliases)));
    pqxx::connection connection{url_as("gdpr")};
    auto const made = archives.make_now(connection, request);
    in_unit([&](UnitOfWork& unit) {
      archives.keep(unit, request, made);
      requests.complete(unit, request.request_id, std::nullopt);
    });
    auto const bytes = fetched(request.request_id);
    CHECK(to_hex(sha256(bytes)) == made.sha256_hex);
    return files_of(bytes);
  }

  /// The archive as the gateway opens it.
  std::string fetched(Uuid const& request_id) {
    pqxx::connection connection{url_as("gateway")};
    pqxx::work transaction{connection};
    transaction.exec("SELECT set_config('app.tenant', 'shop.example', true)");
    auto const found = privacy::find_archive(transaction, shop, request_id);
    REQUIRE(found.state == privacy::ArchiveState::ready);
    auto const key =
        keys.unwrap(found.key, privacy::archive_binding(to_string(request_id), found.size, found.sha256_hex)).value();
    std::string bytes;
    for (std::int64_t part = 0; std::ssize(bytes) < found.size; ++part)
      bytes += privacy::open_part(key, part, privacy::read_archive_part(transaction, found.archive_id, part).value())
                   .value();
    return bytes;
  }
};

bool has(std::map<std::string, std::string> const& files, std::string_view text) {
  return std::ranges::any_of(files, [&](auto const& file) { return file.second.find(text) != std::string::npos; });
}

std::string const& file(std::map<std::string, std::string> const& files, std::string const& table) {
  static std::string const none;
  auto const found = files.find(table + ".0001.jsonl");
  return found == files.end() ? none : found->second;
}

}  // namespace

TEST_CASE_FIXTURE(ExportWorld, "an export by any identity holds what is stored under all of them, and nobody else's") {
  log->records = {{phone, 3, R"({"text":"canary of the topic"})"},
                  {sender_key(secret, shop, "+250788999999"), 4, R"({"text":"a stranger's"})"}};
  auto const customer = *parse_subject_key("000000000000400080000000000000cc");
  // The gateway names the profile besides, since its row has the key of the number.
  auto const profile = alias(*parse_uuid("00000000-0000-4000-8000-000000000001")).text();
  for (auto const& [key, identities] : std::vector<std::pair<SubjectKey, std::vector<std::string>>>{
           {phone, {}}, {session, {}}, {customer, {}}, {sender_key(secret, shop, "RW.77"), {profile}}}) {
    auto const files = exported(key, identities);
    CHECK(has(files, "canary of the call"));
    CHECK(has(files, "canary of the sms to +250788123456"));
    CHECK(has(files, "canary of s1"));
    CHECK(has(files, "canary of the topic"));
    CHECK_FALSE(file(files, "suppressions").empty());
    CHECK_FALSE(file(files, "consents").empty());
    CHECK_FALSE(file(files, "identity_links").empty());
    CHECK(file(files, "gdpr_audit_log").find("a person of the team") != std::string::npos);
    CHECK(std::ranges::count(file(files, "messages"), '\n') == 1);
    for (auto const* const strange : {"stranger", "+250788999999", "canary of s2"}) CHECK_FALSE(has(files, strange));
    // No key stands in it, of the person or of others.
    for (auto const& each : {phone, session}) CHECK_FALSE(has(files, each.text()));
  }
}

TEST_CASE_FIXTURE(ExportWorld,
                  "an export holds a letter that waits to be published, also where its key or value is no text") {
  execute(
      "INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, key, value) VALUES"
      " ('sms', 'sms.inbound', 0, 'sms.inbound.dlq', '\\xff', 'a stranger'),"
      " ('sms', 'sms.inbound', 0, 'sms.inbound.dlq', convert_to($1, 'UTF8'), '\\xff00fe')",
      pqxx::params{phone.text()});
  auto const files = exported(phone);
  CHECK(file(files, "outbox").find("base64:/wD+") != std::string::npos);
  CHECK_FALSE(has(files, "a stranger"));
}

TEST_CASE_FIXTURE(ExportWorld, "rows without a subject key get theirs before the export") {
  CHECK(value("SELECT count(*) FROM conversations WHERE subject_key IS NOT NULL") == "0");
  pqxx::connection connection{url_as("gdpr")};
  CHECK(privacy::fill_subject_keys(connection, {secret}, shop) == 4);
  CHECK(privacy::fill_subject_keys(connection, {secret}, shop) == 0);
  CHECK(value("SELECT subject_key FROM conversations WHERE session_id = 's1' AND domain = 'shop.example'") ==
        session.text());
  CHECK(value("SELECT subject_key FROM profiles WHERE phone_number = '+250788123456'") == phone.text());
  CHECK(value("SELECT count(*) FROM conversations WHERE subject_key IS NULL") == "1");  // the other tenant's
}

TEST_CASE_FIXTURE(ExportWorld, "of a match the export tells what concerns the person, and not who the other is") {
  add_matched_people();
  auto const id = *parse_uuid(ann);
  auto const files = exported(user_key(secret, shop, id), {alias(id).text()});
  CHECK(file(files, "omniscient_matches").find("Ann would like the other person: the other person") !=
        std::string::npos);
  CHECK(file(files, "omniscient_turns").find("\"message\": \"words 1\"") != std::string::npos);
  CHECK(file(files, "omniscient_turns").find("\"speaker\": \"you\"") != std::string::npos);
  CHECK(file(files, "omniscient_turns").find("\"speaker\": \"the other person\"") != std::string::npos);
  CHECK(has(files, "the story of ann"));
  CHECK(has(files, "ann@shop.example"));
  CHECK(file(files, "omniscient_insight_overrides").find("a person of the team") != std::string::npos);
  for (auto const* const hidden : {"Bob", "bob", bob, "withdrawn", "0000000000004000800000000000000b"}) {
    CAPTURE(hidden);
    CHECK_FALSE(has(files, hidden));
  }
  CHECK(file(files, "omniscient_blocks").empty());  // that Bob blocked Ann is Bob's
}

TEST_CASE_FIXTURE(ExportWorld,
                  "a person of the team gets what is stored of them, and nothing of whom they worked for") {
  constexpr char const* admin = "00000000-0000-4000-8000-0000000000ad";
  execute(
      "INSERT INTO principals (id, domain, role, kind, name, email, password_hash) VALUES ($1, 'shop.example', 'admin',"
      " 'person', 'Ada', 'ada@shop.example', 'a hash')",
      pqxx::params{admin});
  execute(
      "INSERT INTO access_log (domain, principal_id, action, object, result) VALUES ('shop.example', $1,"
      " 'gdpr.request.read', 'of somebody else', 'allowed')",
      pqxx::params{admin});
  execute(
      "INSERT INTO gdpr_audit_log (domain, actor, action, subject_key, status) VALUES ('shop.example', $1, 'x', $2,"
      " 'done')",
      pqxx::params{admin, phone.text()});
  auto const id = *parse_uuid(admin);
  auto const files = exported(user_key(secret, shop, id), {alias(id).text()});
  CHECK(file(files, "principals").find("ada@shop.example") != std::string::npos);
  CHECK(file(files, "access_log").find("gdpr.request.read") != std::string::npos);
  for (auto const* const hidden : {"of somebody else", "a hash"}) CHECK_FALSE(has(files, hidden));
  CHECK(file(files, "gdpr_audit_log").empty());
}

TEST_CASE_FIXTURE(ExportWorld, "an export of nobody is complete and empty, and counts nothing") {
  auto const request = receive(request_about("0123456789abcdef0123456789abcdef"));
  pqxx::connection connection{url_as("gdpr")};
  auto const made = archives.make_now(connection, request);
  for (auto const& count : made.counts) {
    CAPTURE(count.name);
    CHECK(count.count == 0);
  }
  CHECK(made.size > 0);
}

TEST_CASE_FIXTURE(ExportWorld, "a dry run tells counts and identities, and stores nothing") {
  auto request = request_about(phone.text());
  request.dry_run = true;
  receive(request);
  pqxx::connection connection{url_as("gdpr")};
  std::map<std::string, std::int64_t> counts;
  for (auto const& count : archives.make_now(connection, request).counts) counts[count.name] = count.count;
  CHECK(counts.at("messages") == 1);
  CHECK(counts.at("identity.profiles") == 1);
  CHECK(counts.at("identity.conversations") == 1);
  CHECK(counts.at("identity.customers") == 1);
  CHECK(counts.at("identity.users") == 0);
  CHECK(value("SELECT count(*) FROM gdpr_archive_parts") == "0");
}

TEST_CASE_FIXTURE(ExportWorld, "what was erased is not exported to who comes back") {
  log->records = {{phone, 3, R"({"text":"before"})"}, {phone, 9, R"({"text":"after"})"}};
  execute(
      "INSERT INTO pipeline.erasures (subject_key, domain, request_id, positions) VALUES ($1, 'shop.example',"
      " gen_random_uuid(), '{\"sms.inbound\": {\"0\": 5}}')",
      pqxx::params{phone.text()});
  auto const files = exported(phone);
  CHECK_FALSE(has(files, "before"));
  CHECK(has(files, "after"));
}

TEST_CASE_FIXTURE(ExportWorld, "what is stored of an archive is sealed, and an attempt that broke off leaves nothing") {
  auto const request = receive(request_about(phone.text()));
  pqxx::connection connection{url_as("gdpr")};
  archives.make_now(connection, request);
  auto const made = archives.make_now(connection, request);
  CHECK(value("SELECT count(*) FROM gdpr_archive_parts WHERE position('canary'::bytea IN bytes) > 0") == "0");
  CHECK(value("SELECT count(DISTINCT archive_id) FROM gdpr_archive_parts") == "2");
  in_unit([&](UnitOfWork& unit) { archives.keep(unit, request, made); });
  CHECK(value("SELECT string_agg(DISTINCT archive_id::text, '') FROM gdpr_archive_parts") ==
        to_string(made.archive_id));
}

TEST_CASE_FIXTURE(ExportWorld, "an erasure removes a person's archives but those of exports that it waited for") {
  exported(phone);
  exported(session);
  auto const kept = value("SELECT request_id FROM gdpr_archives ORDER BY created_at DESC LIMIT 1");
  PostgresErasure erasure{KeyMaker{secret, ""}};
  execute("UPDATE gdpr_archives SET created_at = now() - interval '1 minute' WHERE request_id <> '" + kept + "'");
  auto const asked = std::stoll(value("SELECT (extract(epoch FROM now() - interval '30 s') * 1000)::bigint"));
  in_unit([&](UnitOfWork& unit) {
    CHECK(erasure.remove_archives(unit, shop, {phone.text(), session.text()}, asked) == 1);
  });
  CHECK(value("SELECT string_agg(request_id::text, '') FROM gdpr_archives") == kept);
  CHECK(value("SELECT string_agg(DISTINCT request_id::text, '') FROM gdpr_archive_parts") == kept);
}

TEST_CASE_FIXTURE(ExportWorld, "pruning removes archives after seven days, and the bytes of fetched ones") {
  exported(phone);
  exported(session);
  execute("UPDATE gdpr_archives SET expires_at = now() WHERE subject_key = '" + phone.text() + "'");
  execute("UPDATE gdpr_archives SET used_at = now() WHERE subject_key = '" + session.text() + "'");
  receive(request_about(phone.text()));
  pqxx::connection connection{url_as("gdpr")};
  CHECK(pqxx::nontransaction{connection}.query_value<int>("SELECT prune_gdpr_archives()") == 2);
  CHECK(value("SELECT count(*) FROM gdpr_archives") == "1");  // that it was fetched is still known
  CHECK(value("SELECT count(*) FROM gdpr_archive_parts") == "0");
}

TEST_CASE_FIXTURE(ExportWorld, "every table of a person is exported or named here with the reason why not") {
  // Of the pipeline and of configuration, or kept by keys and ids only.
  std::set<std::string> const not_exported{"schema_migrations",
                                           "schema_migration_checksums",
                                           "tenants",
                                           "api_tokens",
                                           "gdpr_archives",
                                           "gdpr_archive_parts",
                                           "legal_holds",
                                           "channel_senders",
                                           "feature_flags",
                                           "chat_telemetry_rollups",
                                           "chat_telemetry_domain_rollups",
                                           "chat_telemetry_model_rollups"};
  std::set<std::string> exported_names;
  for (auto const& table : exported_tables()) exported_names.emplace(table.name);
  pqxx::connection connection{url()};
  pqxx::nontransaction query{connection};
  for (auto const& row : query.exec("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
                                    " AND relkind IN ('r', 'p') AND NOT relispartition")) {
    auto const name = row[0].as<std::string>();
    if (!not_exported.contains(name)) {
      CAPTURE(name);
      CHECK(exported_names.contains(name));
    }
  }
}
