/// The routes about matches over a database with people, matches and conversations of two tenants.
#pragma once

#include "tests/common/postgres/database_fixture.hpp"
#include "workers/gateway/door/waiting.hpp"
#include "workers/gateway/matches/match_routes.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/any_io_executor.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_future.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

namespace omnibus::gateway::test {

/// A client that keeps what it is sent. Its pauses take no time.
struct RecordingClient final : http::Stream {
  std::optional<http::Response> answer;
  std::string streamed;
  bool started = false, left = false;
  std::function<void()> on_piece;
  int pauses_left = -1;  ///< until on_pauses_over is called
  std::function<void()> on_pauses_over;
  boost::asio::any_io_executor executor;

  /// Does something a little later, while the stream waits for news.
  void later(std::function<void()> work) {
    auto const timer = std::make_shared<boost::asio::steady_timer>(executor, std::chrono::milliseconds{100});
    timer->async_wait([timer, work = std::move(work)](boost::system::error_code) { work(); });
  }

  Task<> start(int, http::Headers) override {
    started = true;
    co_return;
  }
  Task<> write(std::string_view piece) override {
    executor = co_await boost::asio::this_coro::executor;
    streamed += piece;
    if (on_piece) on_piece();
    co_return;
  }
  Task<> respond(http::Response response) override {
    answer = std::move(response);
    co_return;
  }
  void reset() override {}
  bool closed() const override { return left; }
  void on_close(std::function<void()>) override {}
  Task<> wait(std::chrono::milliseconds) override {
    if (pauses_left > 0 && --pauses_left == 0) on_pauses_over();
    co_return;
  }
};

inline constexpr std::string_view ann = "00000000-0000-4000-8000-00000000000a";
inline constexpr std::string_view bob = "00000000-0000-4000-8000-00000000000b";
inline constexpr std::string_view eve = "00000000-0000-4000-8000-00000000000e";
inline constexpr std::string_view yan = "00000000-0000-4000-8000-0000000000f0";  // of the bank, as the next one
inline constexpr std::string_view zed = "00000000-0000-4000-8000-0000000000f1";
inline constexpr std::string_view held = "00000000-0000-4000-8000-000000000101";       // ann and bob, completed
inline constexpr std::string_view analyzed = "00000000-0000-4000-8000-000000000102";   // ann and eve
inline constexpr std::string_view withdrawn = "00000000-0000-4000-8000-000000000103";  // bob and eve, cancelled
inline constexpr std::string_view of_bank = "00000000-0000-4000-8000-000000000104";    // yan and zed
inline constexpr std::string_view talk = "00000000-0000-4000-8000-000000000201";       // of `held`
inline constexpr std::string_view outcome = "00000000-0000-4000-8000-000000000301";    // of `talk`
inline constexpr std::string_view report = "00000000-0000-4000-8000-000000000401";     // of ann
inline constexpr std::string_view nobody = "00000000-0000-4000-8000-00000000dead";

/// Tokens are named after who holds them: ann, bob and eve (visitors), agent, operator, admin, service of the shop,
/// banker (admin of the bank) and everywhere (operator of the installation).
struct MatchWorld {
  omnibus::test::TestDatabase database;
  pqxx::connection owner{database.url()};
  TransactionPool pool{[&] {
    PoolSettings settings;
    settings.url = database.url_as("gateway");
    settings.size = 2;
    return settings;
  }()};
  Store store{pool};
  Authentication authentication{store, std::chrono::milliseconds{0}};
  RateLimit rate_limit{0, 1};
  AccessLog access_log{store, "secret"};
  Admission admission{authentication, rate_limit, access_log};
  std::optional<HandledEvent> handled;  ///< what a waiting request sees
  std::string asked_worker;
  Waiting waiting{10, [this](std::string worker, Uuid) -> Task<std::optional<HandledEvent>> {
                    asked_worker = std::move(worker);
                    co_return handled;
                  }};
  std::vector<Publisher::Event> published;
  std::function<void(std::vector<Publisher::Event> const&)> on_published;
  ReplyFeed feed;
  StreamPlaces places{2};
  StreamSettings streams;
  MatchRoutes routes{{admission, access_log, store, pool, waiting,
                      [this](std::vector<Publisher::Event> events) -> Task<> {
                        if (on_published) on_published(events);
                        for (auto& event : events) published.push_back(std::move(event));
                        co_return;
                      },
                      feed, places, streams}};
  http::Router router;

  MatchWorld() {
    routes.add_to(router);
    execute("INSERT INTO tenants (domain) VALUES ('shop.example'), ('bank.example')");
    for (auto const* const person : {"ann", "bob", "eve"}) add_token(person, "visitor", "shop.example");
    for (auto const* const role : {"agent", "operator", "admin", "service"}) add_token(role, role, "shop.example");
    add_token("banker", "admin", "bank.example");
    add_token("everywhere", "operator", "");
    add_person(ann, "ann", "shop.example");
    add_person(bob, "bob", "shop.example");
    add_person(eve, "eve", "shop.example");
    add_person(yan, "yan", "bank.example");
    add_person(zed, "zed", "bank.example");
    execute("UPDATE users u SET auth_user_id = p.id FROM principals p WHERE p.name = u.handle");
    add_match(held, ann, bob, "completed", "shop.example");
    add_match(analyzed, ann, eve, "analyzed", "shop.example");
    add_match(withdrawn, bob, eve, "cancelled", "shop.example");
    add_match(of_bank, yan, zed, "scheduled", "bank.example");
    add_story_of_held();
  }

  void execute(std::string const& sql) { pqxx::nontransaction(owner).exec(sql); }
  std::string value(std::string const& sql) { return pqxx::nontransaction(owner).query_value<std::string>(sql); }

  void add_token(std::string_view token, std::string_view role, std::string_view domain) {
    pqxx::nontransaction(owner).exec(
        "WITH made AS (INSERT INTO principals (domain, role, kind, name) VALUES (NULLIF($3, ''), $2, 'machine', $1) "
        "RETURNING id) INSERT INTO api_tokens (token_sha256, principal_id) SELECT sha256($1::bytea), id FROM made",
        pqxx::params{token, role, domain});
  }
  void add_person(std::string_view id, std::string_view handle, std::string_view domain) {
    pqxx::nontransaction(owner).exec(
        "INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at) VALUES ($1, $3, $2, 'APPROVED', "
        "now())",
        pqxx::params{id, handle, domain});
    pqxx::nontransaction(owner).exec("INSERT INTO personal_stories (user_id, narrative) VALUES ($1, 'story of ' || $2)",
                                     pqxx::params{id, handle});
  }
  void add_match(std::string_view id, std::string_view a, std::string_view b, std::string_view status,
                 std::string_view domain) {
    pqxx::nontransaction(owner).exec(
        "INSERT INTO omniscient_matches (id, user_a_id, user_b_id, status, domain, opportunity_score, "
        "predicted_outcome,"
        " predicted_probabilities, match_reasoning, cancel_reason, analyzed_at) VALUES ($1, $2, $3, "
        "$4::omniscient_match_status, $5, 0.70,"
        " 'EXPLORATORY', '{\"STRONG_MATCH\": 0.2, \"EXPLORATORY\": 0.5, \"FUTURE_POTENTIAL\": 0.2, \"NO_MATCH\": 0.1}',"
        " 'reasons', CASE $4::omniscient_match_status WHEN 'cancelled' THEN 'withdrawn' END, now())",
        pqxx::params{id, a, b, status, domain});
  }
  /// What `held` rests on, its conversation, and what came of it.
  void add_story_of_held() {
    execute(
        "WITH made AS (INSERT INTO omniscient_insights (insight_type, title, description, domain) VALUES"
        " ('synergy', 'both cook', 'they do', 'shop.example'), ('risk', 'both late', 'they are', 'shop.example')"
        " RETURNING id) INSERT INTO omniscient_match_insights (match_id, insight_id) SELECT '" +
        std::string(held) + "', id FROM made");
    execute("INSERT INTO omniscient_insight_overrides (match_id, before, after) VALUES ('" + std::string(held) +
            "', '[]', '[]')");
    add_conversation(talk, "completed");
    add_turn(1);
    add_turn(2);
    add_outcome();
    execute("INSERT INTO omniscient_reports (id, domain, user_id, report_date, text, html) VALUES ('" +
            std::string(report) + "', 'shop.example', '" + std::string(ann) +
            "', '2026-11-29', 'text', '<p>text</p>')");
    execute(
        "INSERT INTO omniscient_processing_logs (process_type, action, event_id, domain, status) VALUES"
        " ('match', 'analyze_pair', gen_random_uuid(), 'shop.example', 'completed')");
  }
  void add_conversation(std::string_view id, std::string_view status) {
    pqxx::nontransaction(owner).exec(
        "INSERT INTO omniscient_conversations (id, match_id, status, domain, stop_reason) VALUES ($1, $2, $3::text,"
        " 'shop.example', CASE $3::text WHEN 'completed' THEN 'agreed_end' WHEN 'failed' THEN 'withdrawn' END)",
        pqxx::params{id, held, status});
  }
  void add_turn(int number, std::string_view conversation = talk) {
    pqxx::nontransaction(owner).exec(
        "INSERT INTO omniscient_turns (conversation_id, turn_number, speaker_user_id, speaker_role, message)"
        " VALUES ($1, $2::int, $3, CASE $2::int % 2 WHEN 1 THEN 'agent_a' ELSE 'agent_b' END, 'words ' || $2::int)",
        pqxx::params{conversation, number, number % 2 == 1 ? ann : bob});
  }
  void add_outcome(std::string_view conversation = talk) {
    pqxx::nontransaction(owner).exec(
        "INSERT INTO omniscient_outcomes (id, conversation_id, match_id, outcome_analysis, domain) VALUES"
        " (CASE WHEN $1::text = $3::text THEN $4::uuid ELSE gen_random_uuid() END, $1::uuid, $2, 'well', "
        "'shop.example')",
        pqxx::params{conversation, held, talk, outcome});
  }

  http::Request request(std::string_view token, std::string method, std::string target, std::string body = {}) {
    http::Request made;
    made.method = std::move(method);
    made.target = std::move(target);
    REQUIRE(http::parse_target(made));
    made.peer = "192.0.2.7";
    if (!token.empty()) made.headers.add("Authorization", "Bearer " + std::string(token));
    made.body = std::move(body);
    return made;
  }

  /// Serves the request to its end.
  http::Response serve(http::Request made, RecordingClient& client) {
    auto const match = router.match(made);
    boost::asio::io_context context;
    if (match.handler != nullptr) {
      auto answer = boost::asio::co_spawn(context, (*match.handler)(made), boost::asio::use_future);
      context.run();
      return answer.get();
    }
    REQUIRE(match.stream != nullptr);
    auto served = boost::asio::co_spawn(context, (*match.stream)(made, client), boost::asio::use_future);
    context.run();
    served.get();
    return client.answer.value_or(http::Response{200, {}, client.streamed});
  }
  http::Response serve(http::Request made) {
    RecordingClient client;
    return serve(std::move(made), client);
  }
  http::Response get(std::string_view token, std::string target) {
    return serve(request(token, "GET", std::move(target)));
  }
  http::Response act(std::string_view token, std::string_view action, std::string params) {
    return serve(request(token, "POST", "/v1/actions/" + std::string(action), std::move(params)));
  }
};

inline bool has(http::Response const& response, std::string_view text) {
  return response.body.find(text) != std::string::npos;
}

}  // namespace omnibus::gateway::test
