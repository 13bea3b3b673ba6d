// Retention of what people wrote, in a migrated database, as the role of the gdpr worker.
#include "tests/common/retention/retention_database.hpp"

#include <future>
#include <string>
#include <utility>

#include <doctest/doctest.h>

using namespace omnibus::retention;
using namespace omnibus::retention::test;

namespace {

constexpr auto old = "now() - interval '400 days'";
constexpr auto young = "now() - interval '300 days'";

/// A tenant that keeps what people wrote for 365 days, by default, with enough young messages that a run may begin.
struct Written : RetentionDatabase {
  Written() { say("filler", std::string(young) + " + n * interval '1 second'", 50); }
  /// A conversation of these messages.
  void say(std::string const& session, std::string const& time, int messages = 1,
           std::string const& domain = "shop.example") const {
    execute("WITH c AS (INSERT INTO conversations (domain, session_id, created_at, last_message_at) SELECT '" + domain +
            "', '" + session + "', min(t), max(t) FROM (SELECT " + time + " AS t FROM generate_series(1, " +
            std::to_string(messages) +
            ") AS n) AS s ON CONFLICT (domain, session_id) DO UPDATE SET last_message_at ="
            " greatest(conversations.last_message_at, excluded.last_message_at) RETURNING id)"
            " INSERT INTO messages (conversation_id, seq, role, content, created_at) SELECT c.id, (SELECT count(*) FROM"
            " messages m WHERE m.conversation_id = c.id) + n, 'user', 'secret', " +
            time + " FROM c, generate_series(1, " + std::to_string(messages) + ") AS n");
  }
  /// Old conversations of one message each.
  void say_each(int conversations, std::string const& domain) const {
    execute("WITH c AS (INSERT INTO conversations (domain, session_id, created_at, last_message_at) SELECT '" + domain +
            "', 's' || n, " + old + ", " + old + " FROM generate_series(1, " + std::to_string(conversations) +
            ") AS n RETURNING id) INSERT INTO messages (conversation_id, seq, role, content, created_at)"
            " SELECT id, 1, 'user', 'secret', " +
            old + " FROM c");
  }
  void set_days(int days, std::string const& domain = "shop.example") const {
    execute("UPDATE tenants SET settings = '{\"privacy_preferences\": {\"retention_days\": " + std::to_string(days) +
            "}}' WHERE domain = '" + domain + "'");
  }
  /// Sessions that there are, with the number of texts and of purged messages.
  std::string left() const {
    return value(
        "SELECT COALESCE(string_agg(session_id || ' ' || texts || '/' || purged, ', ' ORDER BY session_id), '') FROM"
        " (SELECT session_id, count(m.content) AS texts, count(m.purged_at) AS purged FROM conversations c"
        "  LEFT JOIN messages m ON m.conversation_id = c.id WHERE session_id <> 'filler' GROUP BY 1) AS s");
  }
  PruneReport purge(std::int64_t rows = 5'000) const {
    PruneOptions options;
    options.most_rows = rows;
    return run(messages_task(), options);
  }
  std::string audited(std::string const& domain = "shop.example") const {
    return value(
        "SELECT COALESCE((SELECT payload ->> 'rows' FROM gdpr_audit_log WHERE action = 'retention.messages' AND"
        " domain = '" +
        domain + "' ORDER BY created_at DESC LIMIT 1), '-')");
  }
};

}  // namespace

TEST_CASE("old messages lose their text, and conversations of old messages alone go") {
  Written written;
  written.say("ended", old, 3);
  written.say("goes_on", old, 2);
  written.say("goes_on", young, 1);
  written.say("new", young, 2);
  CHECK(written.purge().state == PruneState::finished);
  CHECK(written.left() == "goes_on 1/2, new 2/0");
  CHECK(written.audited() == R"({"messages": 5, "conversations": 1})");
  // What was said cannot come back in a replay.
  CHECK(written.value("SELECT count(*) FROM pipeline.forgotten") == "1");
  CHECK(written.purge().done == 0);
}

TEST_CASE("many conversations are gone through in batches, each message once") {
  Written written;
  written.say("big", std::string(old) + " + n * interval '1 second'", 45);
  written.say_each(130, "shop.example");
  written.say("young", young, 200);
  written.say_each(130, "other.example");
  written.set_days(0, "other.example");
  auto const report = written.purge(10);
  CHECK(report.state == PruneState::finished);
  CHECK(report.done == 45 + 130 + 131);
  CHECK(written.value("SELECT count(*) FROM conversations") == "132");
  CHECK(written.audited() == R"({"messages": 175, "conversations": 131})");
}

TEST_CASE("each tenant's days count, and 0 keeps everything") {
  Written written;
  written.say("mine", old);
  written.say("theirs", old, 1, "other.example");
  SUBCASE("0 keeps") {
    written.set_days(0);
    CHECK(written.purge().done == 2);
    CHECK(written.left() == "mine 1/0");
  }
  SUBCASE("more days keep") {
    written.set_days(500);
    CHECK(written.purge().done == 2);
    CHECK(written.left() == "mine 1/0");
  }
  SUBCASE("the longest") {
    written.set_days(36'500);
    written.set_days(36'500, "other.example");
    CHECK(written.purge().done == 0);
  }
  SUBCASE("exactly the days stay: a second less would take it") {
    written.say("edge", "now() - interval '8760 hours' + interval '1 minute'");
    CHECK(written.purge().done == 4);
    CHECK(written.left() == "edge 1/0");
  }
}

TEST_CASE("what a legal hold keeps stays and is counted, until the hold ends") {
  Written written;
  written.say("held", old, 2);
  written.say("other", old, 2);
  std::string hold;
  SUBCASE("on the conversation's alias") {
    hold = "SELECT domain, replace(id::text, '-', '') FROM conversations WHERE session_id = 'held'";
  }
  SUBCASE("on the visitor's key") {
    written.execute("UPDATE conversations SET subject_key = repeat('a', 32) WHERE session_id = 'held'");
    hold = "VALUES ('shop.example', repeat('a', 32))";
  }
  written.execute("INSERT INTO legal_holds (domain, subject_key) " + hold);
  auto const report = written.purge();
  CHECK(report.held == 1);
  CHECK(written.left() == "held 2/0");
  CHECK(written.audited() == R"({"held": 1, "messages": 2, "conversations": 1})");
  written.execute("UPDATE legal_holds SET released_at = now()");
  CHECK(written.purge().done == 3);
  CHECK(written.left().empty());
}

TEST_CASE("a run that would take more than half of the messages is stopped until it is forced") {
  Written written;
  written.set_days(100);
  auto const stopped = written.purge();
  CHECK(stopped.state == PruneState::stopped);
  CHECK(stopped.reason == "more_than_half");
  CHECK(written.value("SELECT count(content) FROM messages") == "50");
  CHECK(written.force(messages_task()).done == 51);
}

TEST_CASE("calls, deliveries, sessions and profiles without activity go") {
  Written written;
  written.execute(R"(
    INSERT INTO profiles (id, domain, phone_number, created_at, updated_at, subject_key)
    SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'shop.example', '+25078812345' || n,
           now() - interval '500 days', now() - interval '500 days', md5(n::text) FROM generate_series(1, 5) AS n;
    INSERT INTO omnichannel_sessions (domain, profile_id, status, primary_channel, last_channel, call_id, created_at,
                                      last_activity_at, expires_at)
    SELECT domain, id, 'closed', 'voice', 'voice', 'call' || right(id::text, 1), now() - age, now() - age, now() - age
    FROM profiles, LATERAL (SELECT CASE right(id::text, 1) WHEN '2' THEN interval '1 day' ELSE interval '400 days' END AS age) AS a;
    INSERT INTO message_delivery_log (domain, profile_id, channel, direction, kind, status, content, effect_key, created_at)
    SELECT domain, id, 'sms', 'outbound', 'message', 'sent', 'secret', gen_random_uuid(), now() - interval '400 days'
    FROM profiles;
    UPDATE message_delivery_log SET created_at = now() WHERE profile_id::text LIKE '%3';
    INSERT INTO call_summaries (domain, call_id, summary, created_at)
    SELECT 'shop.example', 'call' || n, 'secret', now() - interval '400 days' FROM generate_series(1, 5) AS n;
    INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', md5('4'));
    UPDATE profiles SET subject_key = NULL, sms_opt_out_at = now() WHERE id::text LIKE '%5';
  )");
  written.purge(2);
  auto const of = [&](std::string const& column, std::string const& table) {
    return written.value("SELECT string_agg(right(" + column + ", 1), '' ORDER BY right(" + column + ", 1)) FROM " +
                         table);
  };
  // 2 has a session, 3 a message, 4 a hold; and 5 an opt-out that is kept nowhere else.
  CHECK(of("id::text", "profiles") == "2345");
  CHECK(of("profile_id::text", "omnichannel_sessions") == "24");
  CHECK(of("profile_id::text", "message_delivery_log") == "34");
  CHECK(of("call_id", "call_summaries") == "4");
  CHECK(written.audited() ==
        R"({"held": 3, "profiles": 1, "call_summaries": 4, "message_delivery_log": 3, "omnichannel_sessions": 3})");
  written.execute(
      "UPDATE profiles SET subject_key = md5('5'), updated_at = now() - interval '500 days' WHERE id::text LIKE '%5'");
  written.purge();
  CHECK(of("id::text", "profiles") == "234");
  CHECK(written.value("SELECT string_agg(channel || (subject_key = md5('5')), '') FROM suppressions") == "smstrue");
}

TEST_CASE("ended matches with their conversations, reports, logs and people without activity go") {
  Written written;
  written.execute(R"(
    INSERT INTO users (id, domain, handle, created_at)
    SELECT ('00000000-0000-0000-0000-00000000000' || n)::uuid, 'shop.example', 'u' || n, now() - interval '400 days'
    FROM generate_series(1, 7) AS n;
    UPDATE users SET recorded_at = now() WHERE handle = 'u7';
    ALTER TABLE omniscient_matches DISABLE TRIGGER USER;
    INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, status, created_at, updated_at)
    SELECT ('10000000-0000-0000-0000-00000000000' || n)::uuid, 'shop.example',
           ('00000000-0000-0000-0000-00000000000' || n)::uuid, ('00000000-0000-0000-0000-00000000000' || n + 1)::uuid,
           CASE n WHEN 3 THEN 'analyzed' ELSE 'completed' END::omniscient_match_status,
           now() - interval '400 days', now() - interval '400 days'
    FROM generate_series(1, 3, 2) AS n;
    INSERT INTO omniscient_conversations (match_id, domain) SELECT id, domain FROM omniscient_matches;
    INSERT INTO personal_stories (user_id, narrative, updated_at) SELECT id, 'secret', now() FROM users WHERE handle = 'u5';
    INSERT INTO omniscient_reports (domain, user_id, report_date, text, html, created_at)
    SELECT domain, id, '2025-01-01', 'secret', 'secret', now() - interval '400 days' FROM users WHERE handle IN ('u1', 'u6');
    INSERT INTO legal_holds (domain, subject_key) VALUES ('shop.example', replace('00000000-0000-0000-0000-000000000006', '-', ''));
  )");
  written.purge(2);
  // 3 and 4 have a live match, 5 has changed their story, 6 is held, 7 was recorded again.
  CHECK(written.value("SELECT string_agg(handle, ' ' ORDER BY handle) FROM users") == "u3 u4 u5 u6 u7");
  CHECK(written.count("omniscient_matches") == "1");
  CHECK(written.count("omniscient_conversations") == "1");
  CHECK(written.count("omniscient_reports") == "1");
}

TEST_CASE("a person who comes back while old rows go is not lost") {
  Written written;
  written.say("back", old);
  PruneOptions options;
  auto once = true;
  // Between the batch of messages and that of conversations.
  options.after_batch = [&] {
    if (std::exchange(once, false)) written.say("back", "now()");
  };
  written.run(messages_task(), options);
  CHECK(written.left() == "back 1/1");
}

TEST_CASE("a person who writes again in the moment in which their profile goes keeps it, and the message") {
  Written written;
  written.execute(
      "INSERT INTO profiles (domain, phone_number, created_at, updated_at) VALUES"
      " ('shop.example', '+250788123456', now() - interval '500 days', now() - interval '500 days')");
  pqxx::connection sms{written.url_as("sms")};
  pqxx::work receiving{sms};
  receiving.exec("SELECT id FROM profiles FOR NO KEY UPDATE");
  receiving.exec("SELECT get_or_create_omnichannel_session(id, 'sms') FROM profiles");
  auto purging = std::async(std::launch::async, [&] { return written.purge(); });
  {
    pqxx::connection watcher{written.url()};
    omnibus::test::await_lock_wait(watcher);
  }
  receiving.commit();
  CHECK(purging.get().state == PruneState::finished);
  CHECK(written.count("profiles") == "1");
  CHECK(written.count("omnichannel_sessions") == "1");
}

TEST_CASE("the pipeline's own tables are pruned by their ages") {
  Written written;
  written.execute(R"(
    INSERT INTO pipeline.idempotency_keys (domain, key_hash, body_hash, event_id, created_at)
    SELECT 'shop.example', sha256(n::text::bytea), sha256(n::text::bytea), gen_random_uuid(), now() - n * interval '47 hours'
    FROM generate_series(1, 3) AS n;
    INSERT INTO pipeline.llm_responses (request_key, event_id, model, response, created_at)
    SELECT gen_random_uuid(), gen_random_uuid(), 'm', '{}', now() - n * interval '29 days' FROM generate_series(1, 3) AS n;
    INSERT INTO access_log (domain, action, result, created_at)
    SELECT 'shop.example', 'x', 'ok', now() - n * interval '1 year' - interval '1 hour' FROM generate_series(0, 3) AS n;
    INSERT INTO pipeline.erasures (subject_key, domain, request_id, erased_at, positions, for_good)
    SELECT md5(n::text), 'shop.example', gen_random_uuid(), now() - interval '40 days', CASE WHEN n > 1 THEN '{}'::jsonb END, n = 3
    FROM generate_series(1, 3) AS n;
    INSERT INTO pipeline.parked_records (letter_id, topic, headers, parked_at)
    SELECT gen_random_uuid(), 'chat.messages', '', now() - n * interval '29 days' FROM generate_series(1, 3) AS n;
    INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, refused, created_at)
    SELECT 'chat', 'chat.messages', 0, 'chat.replies', CASE WHEN n > 1 THEN 'too large' END, now() - n * interval '29 days'
    FROM generate_series(1, 3) AS n;
    INSERT INTO pipeline.outbox (consumer, source_topic, source_partition, topic, created_at)
    VALUES ('chat', 'chat.messages', 0, 'chat.replies', now() - interval '90 days');
  )");
  auto const days = [](int n) { return std::chrono::hours{24 * n}; };
  for (auto const& task : pipeline_tasks(days(14))) CHECK(written.run(task).state == PruneState::finished);
  CHECK(written.count("pipeline.idempotency_keys") == "1");
  CHECK(written.count("pipeline.llm_responses") == "1");
  CHECK(written.count("access_log") == "2");
  CHECK(written.count("pipeline.erasures") == "2");  // one runs, and one is for good
  CHECK(written.count("pipeline.parked_records") == "1");
  CHECK(written.count("pipeline.outbox") == "2");  // none that is still to be published
}

TEST_CASE("models' answers are kept as long as a topic keeps records") {
  Written written;
  written.execute(
      "INSERT INTO pipeline.llm_responses (request_key, event_id, model, response, created_at)"
      " VALUES (gen_random_uuid(), gen_random_uuid(), 'm', '{}', now() - interval '40 days')");
  for (auto const& task : pipeline_tasks(std::chrono::hours{24 * 60})) written.run(task);
  CHECK(written.count("pipeline.llm_responses") == "1");
}
