#include "hash/hash.hpp"
#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "uuid/uuid.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/core.h>
#include <openssl/rand.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

constexpr std::string_view token_prefix = "omnibus_";
constexpr std::int64_t longest_lifetime = 3650LL * 24 * 3600;

struct TokenOptions {
  std::string database;
  std::string domain;
  std::string person;
  std::string role = "service";
  std::string name;
  std::string expires;
  std::string token;
  bool json = false;
};

/// A token as `ls` shows it.
struct ListedToken {
  Uuid id;
  std::optional<std::string> domain;  ///< absent: all tenants
  std::string role;
  std::string name;
  std::string state;
  std::string created_at;
  std::optional<std::string> expires_at, last_used_at;
};
BOOST_DESCRIBE_STRUCT(ListedToken, (), (id, domain, role, name, state, created_at, expires_at, last_used_at))

struct TokenListing {
  std::vector<ListedToken> tokens;
};
BOOST_DESCRIBE_STRUCT(TokenListing, (), (tokens))

/// 256 random bits, recognisable in a leak by their prefix.
std::string new_token() {
  std::array<std::uint8_t, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw std::runtime_error("no randomness available");
  return std::string(token_prefix) + to_hex(bytes);
}

/// Seconds until the token expires; nothing when it does not.
std::optional<std::int64_t> lifetime(TokenOptions const& options) {
  if (options.expires.empty()) return std::nullopt;
  auto const seconds = read_seconds(options.expires);
  if (!seconds || *seconds < 1 || *seconds > longest_lifetime)
    throw std::runtime_error("--expires: give a duration of at most 3650d, as 12h or 90d");
  return seconds;
}

std::string shown(std::string const& name, std::string const& fallback) {
  constexpr std::size_t longest = 200;
  return name.empty() ? fallback.substr(0, longest) : name;
}

/// A token of a person who is matched with others. All tokens of a person speak for one principal.
std::string create_persons_token(TokenOptions const& options, std::optional<std::int64_t> seconds) {
  if (options.domain.empty()) throw std::runtime_error("a person belongs to a tenant: give --domain");
  auto const connection = connect(options.database);
  pqxx::work work{*connection};
  auto const people = work.exec("SELECT id, auth_user_id FROM users WHERE domain = $1 AND handle = $2 FOR UPDATE",
                                pqxx::params{options.domain, options.person});
  if (people.empty())
    throw std::runtime_error(
        fmt::format("{} has nobody with this handle: omnibus people ls shows the people", options.domain));
  auto principal = people[0]["auth_user_id"].as<std::optional<std::string>>();
  if (!principal) {
    principal = work.query_value<std::string>(
        "INSERT INTO principals (domain, role, kind, name) VALUES ($1, 'visitor', 'person', $2) RETURNING id",
        pqxx::params{options.domain, shown(options.name, "person of " + options.domain)});
    work.exec("UPDATE users SET auth_user_id = $1 WHERE id = $2",
              pqxx::params{*principal, people[0]["id"].as<std::string>()});
  }
  auto token = new_token();
  work.exec(
      "INSERT INTO api_tokens (token_sha256, principal_id, name, expires_at) "
      "VALUES (decode($1, 'hex'), $2, NULLIF($3, ''), now() + make_interval(secs => $4::float8))",
      pqxx::params{to_hex(sha256(token)), *principal, options.name, seconds});
  work.commit();
  return token;
}

void create_token(TokenOptions const& options) {
  auto const seconds = lifetime(options);
  if (!options.person.empty()) return fmt::print("{}\n", create_persons_token(options, seconds));
  auto const role = options.role == "tenant" ? "service" : options.role;
  if (options.domain.empty() && role != "operator" && role != "admin")
    throw std::runtime_error(fmt::format("a token of the role {} belongs to a tenant: give --domain", role));
  auto const name = shown(options.name, options.domain.empty() ? role : fmt::format("{} of {}", role, options.domain));
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const token = new_token();
  try {
    query.exec(
        "WITH made AS (INSERT INTO principals (domain, role, kind, name) VALUES (NULLIF($2, ''), $3, 'machine', $4) "
        "RETURNING id) "
        "INSERT INTO api_tokens (token_sha256, principal_id, name, expires_at) "
        "SELECT decode($1, 'hex'), id, $4, now() + make_interval(secs => $5::float8) FROM made",
        pqxx::params{to_hex(sha256(token)), options.domain, role, name, seconds});
  } catch (pqxx::foreign_key_violation const&) {
    throw std::runtime_error(
        fmt::format("there is no tenant {}: add it with omnibus tenant add {}", options.domain, options.domain));
  } catch (pqxx::check_violation const&) {
    throw std::runtime_error("--name: give at most 200 characters, none of them a control character");
  }
  fmt::print("{}\n", token);
}

void revoke_token(TokenOptions const& options) {
  auto const by_token = options.token.starts_with(token_prefix);
  if (!by_token && !parse_uuid(options.token))
    throw std::runtime_error("give a token, or its id: omnibus token ls shows it");
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const set = std::string("UPDATE api_tokens SET revoked_at = COALESCE(revoked_at, now()) WHERE ");
  auto const revoked =
      by_token ? query.exec(set + "token_sha256 = decode($1, 'hex')", pqxx::params{to_hex(sha256(options.token))})
               : query.exec(set + "id = $1::uuid", pqxx::params{options.token});
  if (revoked.affected_rows() == 0) throw std::runtime_error("there is no such token");
  fmt::print("revoked; a gateway may accept it for some seconds more\n");
}

void list_tokens(TokenOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const listed = postgres::read<ListedToken>(query, R"(
      WITH text AS (SELECT 'YYYY-MM-DD"T"HH24:MI:SS"Z"' AS format)
      SELECT k.id, p.domain, p.role, COALESCE(k.name, p.name) AS name,
             CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired'
                  WHEN p.disabled_at IS NOT NULL THEN 'disabled' ELSE 'valid' END AS state,
             to_char(k.created_at AT TIME ZONE 'UTC', format) AS created_at,
             to_char(k.expires_at AT TIME ZONE 'UTC', format) AS expires_at,
             to_char(k.last_used_at AT TIME ZONE 'UTC', format) AS last_used_at
      FROM text, api_tokens k JOIN principals p ON p.id = k.principal_id
      WHERE $1 = '' OR p.domain = $1
      ORDER BY p.domain NULLS FIRST, k.created_at, k.id)",
                                                  pqxx::params{options.domain});
  if (options.json) return fmt::print("{}\n", json::encode(TokenListing{listed}));
  Table table{{"ID", "TENANT", "ROLE", "NAME", "STATE", "CREATED", "EXPIRES", "LAST USED"}};
  for (auto const& each : listed)
    table.add({to_string(each.id), each.domain.value_or("all"), each.role, each.name, each.state, each.created_at,
               each.expires_at.value_or("-"), each.last_used_at.value_or("-")});
  fmt::print("{}", table.text());
}

}  // namespace

void add_token_command(CLI::App& application, int&) {
  auto const options = std::make_shared<TokenOptions>();
  auto* token = application.add_subcommand("token", "Manage bearer tokens for the gateway");
  token->require_subcommand(1);
  auto const add = [&](char const* name, char const* help) {
    auto* subcommand = token->add_subcommand(name, help);
    add_database_option(*subcommand, options->database);
    return subcommand;
  };

  auto* create = add("create", "Make a token and print it, this once: only its SHA-256 is kept");
  create->add_option("--domain", options->domain,
                     "The tenant it acts for; an operator or admin without one acts for all tenants");
  create
      ->add_option("--role", options->role, "Its rights; a service is a machine. tenant is the former name of service")
      ->check(CLI::IsMember({"visitor", "agent", "operator", "admin", "service", "tenant"}))
      ->capture_default_str();
  auto* const role = create->get_option("--role");
  create
      ->add_option("--person", options->person,
                   "The handle of a person who is matched with others: the token sees what belongs to them")
      ->excludes(role);
  create->add_option("--name", options->name, "What it is for, shown by ls");
  create->add_option("--expires", options->expires, "How long it is valid, as 12h or 90d; without it, until revoked");
  create->callback([options] { create_token(*options); });
  auto* revoke = add("revoke", "Make a token invalid");
  revoke->add_option("token", options->token, "The token, or its id as ls shows it")->required();
  revoke->callback([options] { revoke_token(*options); });
  auto* list = add("ls", "List tokens");
  list->add_option("--domain", options->domain, "Only this tenant");
  list->add_flag("--json", options->json, "As JSON");
  list->callback([options] { list_tokens(*options); });
}

}  // namespace omnibus::cli
