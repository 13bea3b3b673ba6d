// An erasure's rows, in a migrated database as the worker's role: a person with a canary in every text, and another
// one.
#include "events/conversation.hpp"
#include "tests/workers/gdpr/gdpr_tables.hpp"
#include "workers/gdpr/erasure/erasure_store.hpp"

#include <array>
#include <cctype>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::gdpr;
using omnibus::gdpr::test::GdprDatabase;

namespace {

constexpr char const* shop = "shop.example";
constexpr char const* secret = "0123456789abcdef0123456789abcdef";
constexpr char const* earlier_secret = "fedcba9876543210fedcba9876543210";

/// What is stored of one person.
struct StoredPerson {
  std::string word;  ///< in each text of theirs
  std::string phone;
  Uuid profile = random_uuid();
  Uuid user = random_uuid();
  Uuid principal = random_uuid();
  Uuid conversation{};
};

struct ErasureTables {
  KeyMaker maker{secret, earlier_secret};
  PostgresErasure store{maker};
  GdprDatabase database;

  Uuid add_chat(std::string const& session, std::string const& word, int messages) const {
    auto const id = conversation_id_of(shop, session);
    database.execute("INSERT INTO conversations (id, domain, session_id) VALUES ($1, $2, $3)",
                     pqxx::params{to_string(id), shop, session});
    database.execute(
        "INSERT INTO messages (id, conversation_id, seq, role, content, source_event_id) SELECT gen_random_uuid(), $1, "
        "n, 'user', $2, gen_random_uuid() FROM generate_series(1, $3::int) AS n",
        pqxx::params{to_string(id), word, messages});
    return id;
  }
  void add_answer(Uuid const& conversation, Uuid const& event, std::string const& word) const {
    database.execute(
        "INSERT INTO pipeline.llm_responses (request_key, event_id, model, response) VALUES (gen_random_uuid(), $1, "
        "'m', jsonb_build_object('text', $3::text, 'call', jsonb_build_object('conversation_id', $2::text)))",
        pqxx::params{to_string(event), to_string(conversation), word});
  }
  StoredPerson add_person(std::string const& word, std::string const& phone) const {
    StoredPerson person{word, phone};
    auto const id = to_string(person.profile);
    database.execute(
        "INSERT INTO profiles (id, domain, phone_number, whatsapp_user_id, whatsapp_jid, sms_opt_out_at, allows_sms) "
        "VALUES ($1, $2, $3, $4, $4, now(), false)",
        pqxx::params{id, shop, phone, "wa-" + word});
    database.execute(
        "INSERT INTO omnichannel_sessions (domain, profile_id, primary_channel, last_channel, call_id, context) "
        "VALUES ($2, $1, 'voice', 'voice', $3 || '-1', jsonb_build_object('note', $3::text))",
        pqxx::params{id, shop, word});
    database.execute("UPDATE omnichannel_sessions SET call_id = $2 || '-2' WHERE profile_id = $1",
                     pqxx::params{id, word});
    for (auto const* call : {"-1", "-2"})
      database.execute("INSERT INTO call_summaries (domain, call_id, summary) VALUES ($1, $2, $3)",
                       pqxx::params{shop, word + call, word});
    add_answer(conversation_id_of(shop, "call:" + word + "-1"), random_uuid(), word);
    for (auto const* state : {"planned", "delivered"}) {
      database.execute(
          "INSERT INTO pipeline.delivery (effect_key, event_key, request_source, request_id, domain, profile_id, "
          "channel, provider, kind, state, provider_message_id, reason, answer, cost) VALUES (gen_random_uuid(), "
          "gen_random_uuid(), '/omnibus/call', gen_random_uuid()::text, $2, $1, 'sms', 'mtn', 'reply', $4, $3 || $4, "
          "$3, jsonb_build_object('m', $3::text), 0.5)",
          pqxx::params{id, shop, word, state});
      database.execute(
          "INSERT INTO pipeline.delivery_receipt (provider, provider_message_id, status, occurred_at) VALUES ('mtn', "
          "$1, "
          "'read', now())",
          pqxx::params{word + state});
    }
    database.execute(
        "INSERT INTO message_delivery_log (domain, profile_id, channel, direction, kind, status, content, "
        "provider_message_id, effect_key) VALUES ($2, $1, 'sms', 'outbound', 'reply', 'sent', $3, $3, "
        "gen_random_uuid())",
        pqxx::params{id, shop, word});
    person.conversation = add_chat("session-" + word, word, 2300);
    add_answer(person.conversation, random_uuid(), word);
    database.execute(
        "INSERT INTO principals (id, domain, role, kind, name, email) VALUES ($1, $2, 'visitor', 'person', $3, $3 || "
        "'@mail.example')",
        pqxx::params{to_string(person.principal), shop, word});
    database.execute(
        "INSERT INTO users (id, domain, handle, status, auth_user_id, email) VALUES ($1, $2, $3, 'APPROVED', $4, $3 || "
        "'@mail.example')",
        pqxx::params{to_string(person.user), shop, word, to_string(person.principal)});
    database.execute("INSERT INTO personal_stories (user_id, narrative) VALUES ($1, $2)",
                     pqxx::params{to_string(person.user), word});
    return person;
  }
  /// Erases as the worker does. @return the rows by step
  std::map<std::string, std::int64_t> erase(std::vector<std::string> const& keys) {
    auto const request = random_uuid();
    for (std::int64_t filled = 1; filled > 0;)
      database.in_unit([&](UnitOfWork& unit) { filled = store.fill_keys(unit, shop); });
    auto const person = find(keys);
    database.in_unit([&](UnitOfWork& unit) {
      CHECK(!store.hold_until(unit, shop, person.all()));
      store.begin(unit, request, shop, person.keys, person.for_good);
      store.suppress(unit, shop, person.opt_outs);
    });
    for (std::int64_t begun = 1; begun > 0;)
      database.in_unit([&](UnitOfWork& unit) { begun = store.begin_messages(unit, request, shop, person.all()); });
    std::map<std::string, std::int64_t> rows;
    for (auto const& step : store.steps())
      for (std::int64_t changed = erasure_batch; changed >= erasure_batch;)
        database.in_unit([&](UnitOfWork& unit) {
          changed = store.erase(unit, step, shop, person.all());
          CHECK(changed <= erasure_batch);
          rows[step] += changed;
        });
    database.in_unit([&](UnitOfWork& unit) { store.set_positions(unit, request, R"({"chat.messages":{"0":7}})"); });
    return rows;
  }
  ErasedPerson find(std::vector<std::string> const& keys) const {
    pqxx::connection connection{database.url_as("gdpr")};
    return store.find_over(connection, shop, {keys.begin(), keys.end()});
  }
  /// The tables in which the word stands, raw or as hex.
  std::vector<std::string> tables_with(std::string const& word) const {
    pqxx::connection connection{database.url()};
    pqxx::nontransaction query{connection};
    std::vector<std::string> found;
    for (auto const& [table] :
         query
             .exec("SELECT c.oid::regclass::text FROM pg_class c WHERE c.relkind IN ('r', 'p') AND "
                   "c.relnamespace IN ('public'::regnamespace, 'pipeline'::regnamespace)")
             .iter<std::string>())
      if (query.query_value<bool>(
              fmt::format("SELECT EXISTS (SELECT FROM {} t WHERE t::text LIKE '%' || {} || '%' OR t::text LIKE '%' || "
                          "encode({}::bytea, 'hex') || '%')",
                          table, query.quote(word), query.quote(word))))
        found.push_back(table);
    return found;
  }
};

}  // namespace

TEST_CASE_FIXTURE(ErasureTables, "nothing of an erased person is left in any table, and everything of others is") {
  auto const anna = add_person("canaryanna", "+250788000001");
  auto const bob = add_person("canarybob", "+250788000002");
  auto const kept = tables_with(bob.word);
  REQUIRE(tables_with(anna.word).size() > 10);
  auto const keys = maker.sender(shop, anna.phone);
  auto const session = maker.session(shop, "session-" + anna.word);
  auto const user = maker.user(shop, anna.user);
  auto const rows = erase({keys.front(), session.front(), user.front()});
  CHECK(tables_with(anna.word).empty());
  CHECK(tables_with(bob.word) == kept);
  CHECK(rows.at("messages") == 2300);
  CHECK(rows.at("call_summaries") == 2);
  CHECK(rows.at("pipeline.llm_responses") == 2);
  CHECK(database.value("SELECT string_agg(state, ',' ORDER BY state) FROM pipeline.delivery WHERE profile_id = "
                       "'00000000-0000-0000-0000-000000000000' AND cost = 0.5") == "delivered,skipped");
  CHECK(database.value(fmt::format("SELECT count(*) FROM principals WHERE id = '{}'", to_string(anna.principal))) ==
        "0");
}

TEST_CASE_FIXTURE(ErasureTables, "a person asked for by one identity is found by all of them, and nobody else") {
  auto const anna = add_person("anna", "+250788000001");
  add_person("bob", "+250788000002");
  for (auto const& asked : {maker.sender(shop, anna.phone)[0], maker.sender(shop, "wa-anna")[0],
                            maker.sender(shop, anna.phone)[1], alias_text(anna.profile)}) {
    auto const found = find({asked});
    CHECK(found.keys.contains(maker.sender(shop, anna.phone)[0]));
    CHECK(found.keys.contains(maker.sender(shop, anna.phone)[1]));
    CHECK(found.keys.contains(maker.sender(shop, "wa-anna")[0]));
    CHECK(found.for_good.contains(alias_text(anna.profile)));
    CHECK(found.found.size() == 1);
    CHECK(found.found[0].count == 1);
  }
  auto const customer = random_uuid();
  for (auto const& [kind, key] : {std::pair{"phone", maker.sender(shop, anna.phone)[0]},
                                  std::pair{"session", maker.session(shop, "session-anna")[0]}})
    database.execute(
        "INSERT INTO identity_links (domain, customer_id, kind, subject_key, external_id) VALUES ($1, $2, $3, $4, $3)",
        pqxx::params{shop, to_string(customer), kind, key});
  database.in_unit([&](UnitOfWork& unit) { store.fill_keys(unit, shop); });
  CHECK(find({maker.sender(shop, "wa-anna")[0]}).keys.contains(alias_text(anna.conversation)));
  CHECK(find({alias_text(anna.conversation)}).for_good.contains(alias_text(anna.profile)));
}

TEST_CASE_FIXTURE(ErasureTables, "opt-outs outlive the person, under every key of the number") {
  auto const anna = add_person("anna", "+250788000001");
  erase({maker.sender(shop, anna.phone)[0]});
  for (auto const& key :
       {maker.sender(shop, anna.phone)[0], maker.sender(shop, anna.phone)[1], maker.sender(shop, "wa-anna")[0]})
    CHECK(database.value(fmt::format("SELECT count(*) FROM suppressions WHERE channel = 'sms' AND subject_key = '{}'",
                                     key)) == "1");
}

TEST_CASE_FIXTURE(ErasureTables, "an erasure destroys the person's keys, and those of others stay") {
  auto const anna = add_person("anna", "+250788000001");
  auto const bob = add_person("bob", "+250788000002");
  for (auto const& key : {maker.sender(shop, anna.phone)[0], alias_text(anna.conversation), alias_text(anna.profile),
                          maker.sender(shop, bob.phone)[0]})
    database.execute(
        "INSERT INTO pipeline.subject_keys (key_id, subject_key, domain, wrapped_key, master_key_id) "
        "VALUES (gen_random_uuid(), $1, $2, 'wrapped', '0123456789abcdef')",
        pqxx::params{key, shop});
  erase({maker.sender(shop, anna.phone)[0], maker.session(shop, "session-" + anna.word)[0]});
  CHECK(database.value("SELECT count(*) FROM pipeline.subject_keys WHERE wrapped_key IS NULL") == "3");
  CHECK(database.value("SELECT subject_key FROM pipeline.subject_keys WHERE destroyed_at IS NULL") ==
        maker.sender(shop, bob.phone)[0]);
}

TEST_CASE_FIXTURE(ErasureTables, "an erasure ends with positions for every key that may come back") {
  auto const anna = add_person("anna", "+250788000001");
  erase({maker.session(shop, "session-anna")[0]});
  CHECK(database.value("SELECT count(*) FROM pipeline.erasures WHERE NOT for_good AND positions IS NULL") == "0");
  CHECK(database.value(fmt::format("SELECT pipeline.refusal('{0}', 'chat.messages', 0, 6) || ' ' || "
                                   "COALESCE(pipeline.refusal('{0}', 'chat.messages', 0, 7), 'new')",
                                   alias_text(anna.conversation))) == "erased new");
  // The conversation of a session that comes back has the same id.
  CHECK(database.value(fmt::format("SELECT count(*) FROM pipeline.forgotten WHERE id = '{}'",
                                   to_string(anna.conversation))) == "0");
}

TEST_CASE_FIXTURE(ErasureTables, "a person who is not there is erased without a row, and so is one erased before") {
  auto const anna = add_person("anna", "+250788000001");
  auto const sum = [](std::map<std::string, std::int64_t> const& rows) {
    std::int64_t all = 0;
    for (auto const& [step, count] : rows) all += count;
    return all;
  };
  CHECK(sum(erase({std::string(32, 'e')})) == 0);
  CHECK(sum(erase({maker.sender(shop, anna.phone)[0]})) > 0);
  CHECK(sum(erase({maker.sender(shop, anna.phone)[0]})) == 0);
}

TEST_CASE_FIXTURE(ErasureTables, "the report of another person tells nothing of the erased one") {
  auto const anna = add_person("canaryanna", "+250788000001");
  auto const bob = add_person("bob", "+250788000002");
  database.execute(
      "WITH m AS (INSERT INTO omniscient_matches (user_a_id, user_b_id, status, domain, match_reasoning) VALUES "
      "(LEAST($1::uuid, $2), GREATEST($1::uuid, $2), 'completed', 'shop.example', 'canaryanna') RETURNING id), "
      "c AS (INSERT INTO omniscient_conversations (match_id, status, domain) SELECT id, 'completed', 'shop.example' "
      "FROM m RETURNING id, match_id), "
      "t AS (INSERT INTO omniscient_turns (conversation_id, turn_number, speaker_user_id, speaker_role, message) "
      "SELECT "
      "id, 1, $2, 'agent_a', 'canaryanna' FROM c), "
      "o AS (INSERT INTO omniscient_outcomes (conversation_id, match_id, domain, outcome_analysis) SELECT id, "
      "match_id, "
      "'shop.example', 'canaryanna' FROM c RETURNING id), "
      "r AS (INSERT INTO omniscient_reports (domain, user_id, report_date, text, html) VALUES ('shop.example', $2, "
      "'2026-11-29', 'canaryanna', 'canaryanna') RETURNING id) "
      "INSERT INTO omniscient_report_outcomes (user_id, outcome_id, report_id) SELECT $2, o.id, r.id FROM o, r",
      pqxx::params{to_string(anna.user), to_string(bob.user)});
  erase({alias_text(anna.user), maker.sender(shop, anna.phone)[0], alias_text(anna.conversation)});
  CHECK(tables_with(anna.word).empty());
  CHECK(database.value("SELECT count(*) FROM omniscient_reports") == "1");
}

TEST_CASE_FIXTURE(ErasureTables, "a legal hold on the other half of a match keeps it") {
  auto const anna = add_person("anna", "+250788000001");
  auto const bob = add_person("bob", "+250788000002");
  database.execute(
      "INSERT INTO omniscient_matches (user_a_id, user_b_id, status, domain) VALUES (LEAST($1::uuid, $2), "
      "GREATEST($1::uuid, $2), 'completed', 'shop.example')",
      pqxx::params{to_string(anna.user), to_string(bob.user)});
  auto const found = find({alias_text(anna.user)});
  auto const held = [&] {
    std::optional<std::string> until;
    database.in_unit([&](UnitOfWork& unit) { until = store.hold_until(unit, shop, found.concerned()); });
    return until.has_value();
  };
  CHECK(!held());
  database.execute("INSERT INTO legal_holds (domain, subject_key) VALUES ($1, $2)",
                   pqxx::params{shop, maker.user(shop, bob.user).front()});
  CHECK(held());
  CHECK(!found.all().contains(alias_text(bob.user)));
}

TEST_CASE_FIXTURE(ErasureTables, "who leaves the team is disabled and blanked, and what they did for others stays") {
  constexpr char const* ada = "00000000-0000-4000-8000-0000000000ad";
  constexpr char const* eve = "00000000-0000-4000-8000-0000000000ee";
  for (auto const& [id, name, domain] : {std::array{ada, "canaryada", shop}, std::array{eve, "eve", "other.example"}}) {
    database.execute(
        "INSERT INTO principals (id, domain, role, kind, name, email, password_hash) VALUES ($1, $3, 'agent', "
        "'person', $2, $2 || '@mail.example', $2)",
        pqxx::params{id, name, domain});
    database.execute(
        "INSERT INTO api_tokens (token_sha256, principal_id, name) VALUES (sha256($2::bytea), $1, $2::text || ' "
        "laptop')",
        pqxx::params{id, name});
  }
  auto const open = add_chat("open", "hello", 1);
  auto const resolved = add_chat("resolved", "hello", 1);
  database.execute("UPDATE conversations SET owner_id = $1, status = 'escalated'", pqxx::params{ada});
  database.execute("UPDATE conversations SET status = 'resolved' WHERE session_id = 'resolved'");
  auto const owner = [&](Uuid const& id) {
    return database.value(
        fmt::format("SELECT COALESCE(owner_id::text, 'none') || ' ' || takeover_epoch || ' ' || status FROM "
                    "conversations WHERE id = '{}'",
                    to_string(id)));
  };
  auto const state = [&](char const* id) {
    return database.value(fmt::format(
        "SELECT concat_ws(' ', name, email IS NULL, password_hash IS NULL, disabled_at IS NOT NULL) FROM principals "
        "WHERE id = '{}'",
        id));
  };
  auto const found = find({alias_text(*parse_uuid(ada))}).found;
  REQUIRE(found.size() == 1);
  CHECK(found[0].name == "principals");

  CHECK(erase({alias_text(*parse_uuid(ada))}).at("principals") == 1);
  CHECK(tables_with("canaryada").empty());
  CHECK(state(ada) == "a former colleague t t t");
  CHECK(owner(open) == "none 1 escalated");
  CHECK(owner(resolved) == fmt::format("{} 0 resolved", ada));
  CHECK(erase({alias_text(*parse_uuid(ada))}).at("principals") == 0);

  // Another tenant's person stays, whoever asks with their id.
  erase({alias_text(*parse_uuid(eve))});
  CHECK(state(eve) == "eve f f f");
  CHECK(database.value("SELECT count(*) FROM api_tokens") == "1");
}

TEST_CASE_FIXTURE(ErasureTables, "a person of the matches who is of the team as well leaves no login") {
  auto const anna = add_person("canaryanna", "+250788000001");
  database.execute("UPDATE principals SET role = 'admin' WHERE id = $1", pqxx::params{to_string(anna.principal)});
  erase({alias_text(anna.user), maker.sender(shop, anna.phone)[0], alias_text(anna.conversation)});
  CHECK(tables_with(anna.word).empty());
  CHECK(database.value("SELECT name FROM principals") == "a former colleague");
}

TEST_CASE_FIXTURE(ErasureTables, "who looked at what stays in the access log, without the erased person's ids") {
  auto const anna = add_person("anna", "+250788000001");
  auto const bob = add_person("bob", "+250788000002");
  auto const add = [&](std::string const& object) {
    database.execute("INSERT INTO access_log (domain, action, object, result) VALUES ($1, 'read', $2, 'allowed')",
                     pqxx::params{shop, object});
  };
  auto upper = to_string(anna.conversation);
  for (auto& c : upper) c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  for (auto const& object : {to_string(anna.conversation), "GET /v1/conversations/" + upper + "/events",
                             to_string(anna.user) + " whole", "key " + maker.sender(shop, anna.phone)[0]})
    add(object);
  add(to_string(bob.conversation));
  add("GET /v1/gdpr/requests");
  erase({alias_text(anna.user), maker.sender(shop, anna.phone)[0], alias_text(anna.conversation)});
  CHECK(database.value("SELECT count(*) || ' ' || count(object) FROM access_log") == "6 2");
  CHECK(database.value(fmt::format("SELECT count(*) FROM access_log WHERE object IN ('{}', 'GET /v1/gdpr/requests')",
                                   to_string(bob.conversation))) == "2");
}

TEST_CASE_FIXTURE(ErasureTables, "what was blanked is nobody's, whoever is erased") {
  auto const anna = add_person("anna", "+250788000001");
  erase({maker.sender(shop, anna.phone)[0]});
  CHECK(database.value("SELECT count(*) FROM pipeline.delivery WHERE profile_id = "
                       "'00000000-0000-0000-0000-000000000000'") == "2");
  CHECK(erase({alias_text(Uuid{})}).at("pipeline.delivery") == 0);
}

TEST_CASE_FIXTURE(ErasureTables, "whatever id is named, nothing of another tenant is erased") {
  auto const bob = add_person("canarybob", "+250788000002");
  for (auto const* table : {"conversations", "profiles", "users", "omnichannel_sessions", "message_delivery_log",
                            "pipeline.delivery", "principals"})
    database.execute(fmt::format("UPDATE {} SET domain = 'other.example'", table));
  auto const kept = tables_with(bob.word);
  auto const rows = erase({alias_text(bob.conversation), alias_text(bob.profile), alias_text(bob.user)});
  CHECK(rows.at("messages") == 0);
  CHECK(rows.at("users") == 0);
  CHECK(tables_with(bob.word) == kept);
}
