/// The routes about people's data, over a database with two tenants.
#pragma once

#include "privacy/archive_keys.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/gateway/door/waiting.hpp"
#include "workers/gateway/privacy/privacy_routes.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_future.hpp>
#include <boost/system/system_error.hpp>
#include <doctest/doctest.h>
#include <pqxx/pqxx>

namespace omnibus::gateway::test {

/// A client that may break off.
struct DownloadingClient final : http::Stream {
  int status = 0;
  http::Headers headers;
  std::string body;
  std::size_t takes = std::string::npos;  ///< bytes; then a write fails
  bool resets = false;                    ///< tells so when all was written
  std::function<void()> on_wait;

  Task<> start(int its_status, http::Headers its_headers) override {
    status = its_status;
    headers = std::move(its_headers);
    co_return;
  }
  Task<> write(std::string_view piece) override {
    if (body.size() + piece.size() > takes)
      throw boost::system::system_error(boost::system::errc::make_error_code(boost::system::errc::broken_pipe));
    body += piece;
    co_return;
  }
  Task<> respond(http::Response response) override {
    status = response.status;
    headers = std::move(response.headers);
    body = std::move(response.body);
    co_return;
  }
  void reset() override {}
  bool closed() const override { return false; }
  bool broken() const override { return resets; }
  void on_close(std::function<void()>) override {}
  Task<> wait(std::chrono::milliseconds) override {
    if (on_wait) on_wait();
    co_return;
  }

  std::string header(std::string_view name) const { return std::string{headers.find(name).value_or("")}; }
};

inline constexpr std::string_view shop_user = "00000000-0000-4000-8000-00000000000a";
inline constexpr std::string_view bank_user = "00000000-0000-4000-8000-00000000000b";
inline constexpr std::string_view export_id = "00000000-0000-4000-8000-0000000000e1";
inline constexpr std::string_view archive_path = "/v1/gdpr/requests/00000000-0000-4000-8000-0000000000e1/archive";

/// Tokens are named after their role in the shop; `banker` is an admin of the bank, `everywhere` one of the
/// installation.
struct PrivacyWorld {
  omnibus::test::TestDatabase database;
  pqxx::connection owner{database.url()};
  TransactionPool pool{[&] {
    PoolSettings settings;
    settings.url = database.url_as("gateway");
    settings.size = 2;
    return settings;
  }()};
  Store store{pool};
  Authentication authentication{store, std::chrono::minutes{1}};
  RateLimit rate_limit{0, 1};
  AccessLog access_log{store, "secret"};
  Admission admission{authentication, rate_limit, access_log};
  std::optional<HandledEvent> handled;  ///< what a waiting request sees
  Waiting waiting{10, [this](std::string worker, Uuid) -> Task<std::optional<HandledEvent>> {
                    CHECK(worker == "gdpr");
                    co_return handled;
                  }};
  std::vector<Publisher::Event> published;
  privacy::ArchiveKeys keys{{Secret{"the master key of a test"}, Secret{}}, "a secret of sixteen bytes"};
  PrivacyRoutes routes{{admission,
                        access_log,
                        store,
                        pool,
                        waiting,
                        [this](Publisher::Event event) -> Task<> {
                          published.push_back(std::move(event));
                          co_return;
                        },
                        {"", "RW", "a secret of sixteen bytes", ""},
                        keys}};
  http::Router router;

  PrivacyWorld() {
    routes.add_to(router);
    execute("INSERT INTO tenants (domain) VALUES ('shop.example'), ('bank.example')");
    for (auto const* const role : {"visitor", "agent", "operator", "admin", "service"})
      add_token(role, role, "shop.example");
    add_token("banker", "admin", "bank.example");
    add_token("everywhere", "admin", "");
    add_token("operator-everywhere", "operator", "");
    for (auto const& [id, domain] : {std::pair{shop_user, "shop.example"}, std::pair{bank_user, "bank.example"}})
      execute("INSERT INTO users (id, domain, handle) VALUES ($1, $2, 'ann')", pqxx::params{id, domain});
  }

  void execute(std::string const& sql, pqxx::params const& params = {}) {
    pqxx::nontransaction(owner).exec(sql, params);
  }
  std::string value(std::string const& sql) {
    return pqxx::nontransaction(owner).exec(sql).one_field().as<std::string>("null");
  }
  void add_token(std::string_view token, std::string_view role, std::string_view domain) {
    execute(
        "WITH made AS (INSERT INTO principals (domain, role, kind, name) VALUES (NULLIF($3, ''), $2, 'machine', $1) "
        "RETURNING id) INSERT INTO api_tokens (token_sha256, principal_id) SELECT sha256($1::bytea), id FROM made",
        pqxx::params{token, role, domain});
  }

  /// A completed export of the shop with an archive of these bytes.
  void add_archive(std::string const& bytes) {
    execute(
        "INSERT INTO gdpr_requests (id, domain, kind, subject_key, status) VALUES ($1, 'shop.example', 'export',"
        " '0123456789abcdef0123456789abcdef', 'completed')",
        pqxx::params{export_id});
    auto const key = random_aes_key();
    auto const hash = to_hex(sha256(bytes));
    auto const wrapped = keys.wrap(key, privacy::archive_binding(export_id, std::ssize(bytes), hash));
    auto const archive = to_string(random_uuid());
    execute(
        "INSERT INTO gdpr_archives (request_id, domain, subject_key, archive_id, key_id, wrapped_key, size, sha256)"
        " VALUES ($1, 'shop.example', '0123456789abcdef0123456789abcdef', $2, $3, $4, $5, decode($6, 'hex'))",
        pqxx::params{export_id, archive, wrapped.key_id, pqxx::binary_cast(wrapped.sealed), std::ssize(bytes), hash});
    constexpr auto part = privacy::archive_part_bytes;
    for (std::size_t at = 0; at < bytes.size(); at += part)
      execute(
          "INSERT INTO gdpr_archive_parts (archive_id, part, request_id, domain, bytes) VALUES ($1, $2, $3,"
          " 'shop.example', $4)",
          pqxx::params{archive, at / part, export_id,
                       pqxx::binary_cast(
                           privacy::seal_part(key, static_cast<std::int64_t>(at / part), bytes.substr(at, part)))});
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
  DownloadingClient& serve(http::Request made, DownloadingClient& client) {
    auto const match = router.match(made);
    boost::asio::io_context context;
    if (match.handler != nullptr) {
      auto answer = boost::asio::co_spawn(context, (*match.handler)(made), boost::asio::use_future);
      context.run();
      auto response = answer.get();
      client.status = response.status;
      client.headers = std::move(response.headers);
      client.body = std::move(response.body);
      return client;
    }
    REQUIRE(match.stream != nullptr);
    auto served = boost::asio::co_spawn(context, (*match.stream)(made, client), boost::asio::use_future);
    context.run();
    served.get();
    return client;
  }
  DownloadingClient serve(http::Request made) {
    DownloadingClient client;
    serve(std::move(made), client);
    return client;
  }
  DownloadingClient get(std::string_view token, std::string target) {
    return serve(request(token, "GET", std::move(target)));
  }
  DownloadingClient post(std::string_view token, std::string target, std::string body) {
    return serve(request(token, "POST", std::move(target), std::move(body)));
  }
};

}  // namespace omnibus::gateway::test
