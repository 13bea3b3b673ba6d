#include "hash/hash.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"

#include <array>
#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <openssl/rand.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct TenantOptions {
  std::string database;
  std::string domain;
  std::string role = "tenant";
  std::string token;
};

/// 256 random bits, recognisable in a leak by its prefix.
std::string new_token() {
  std::array<std::uint8_t, 32> bytes{};
  if (RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) != 1)
    throw std::runtime_error("no randomness available");
  return "omnibus_" + to_hex(bytes);
}

void add_tenant(TenantOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  try {
    auto const added =
        query.exec("INSERT INTO tenants (domain) VALUES ($1) ON CONFLICT DO NOTHING", pqxx::params{options.domain});
    fmt::print("{} {}\n", options.domain, added.affected_rows() == 1 ? "added" : "is a tenant already");
  } catch (pqxx::check_violation const&) {
    throw std::runtime_error(options.domain + " is not a domain: lower-case letters, digits, dots and hyphens only");
  }
}

void set_tenant_status(TenantOptions const& options, std::string const& status) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const updated = query.exec("UPDATE tenants SET status = $2, updated_at = now() WHERE domain = $1",
                                  pqxx::params{options.domain, status});
  if (updated.affected_rows() == 0) throw std::runtime_error("there is no tenant " + options.domain);
  fmt::print("{} is {}\n", options.domain, status);
}

void list_tenants(TenantOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  for (auto const& [domain, status, created_at] :
       query.query<std::string, std::string, std::string>("SELECT domain, status, to_char(created_at AT TIME ZONE "
                                                          "'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM tenants "
                                                          "ORDER BY domain")) {
    fmt::print("{} {} {}\n", domain, status, created_at);
  }
}

void create_token(TenantOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const token = new_token();
  try {
    query.exec("INSERT INTO api_tokens (token_sha256, domain, role) VALUES (decode($1, 'hex'), $2, $3)",
               pqxx::params{to_hex(sha256(token)), options.domain, options.role});
  } catch (pqxx::foreign_key_violation const&) {
    throw std::runtime_error(
        fmt::format("there is no tenant {}: add it with omnibus tenant add {}", options.domain, options.domain));
  }
  fmt::print("{}\n", token);
}

void revoke_token(TenantOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  // A token itself, or as many of the first digits of its hash as `ls` shows.
  auto const hash = options.token.starts_with("omnibus_") ? to_hex(sha256(options.token)) : options.token;
  if (hash.size() < 12 || hash.find_first_not_of("0123456789abcdef") != std::string::npos) {
    throw std::runtime_error("give a token, or its id: omnibus token ls shows it");
  }
  auto const revoked = query.exec(
      "UPDATE api_tokens SET revoked_at = COALESCE(revoked_at, now()) WHERE starts_with(encode(token_sha256, 'hex'), "
      "$1)",
      pqxx::params{hash});
  if (revoked.affected_rows() == 0) throw std::runtime_error("there is no such token");
  fmt::print("revoked; a gateway may accept it for some seconds more\n");
}

void list_tokens(TenantOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::nontransaction query{*connection};
  auto const rows = query.exec(
      "SELECT left(encode(token_sha256, 'hex'), 16), domain, role, CASE WHEN revoked_at IS NULL THEN 'valid' ELSE "
      "'revoked' END, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') FROM api_tokens WHERE "
      "$1 = '' OR "
      "domain = $1 ORDER BY domain, created_at",
      pqxx::params{options.domain});
  for (auto const& [id, domain, role, state, created_at] :
       rows.iter<std::string, std::string, std::string, std::string, std::string>()) {
    fmt::print("{} {} {} {} {}\n", id, domain, role, state, created_at);
  }
}

}  // namespace

void add_tenant_command(CLI::App& application, int&) {
  auto const options = std::make_shared<TenantOptions>();
  auto* tenant = application.add_subcommand("tenant", "Manage tenants, the customers that own conversations");
  tenant->require_subcommand(1);
  auto* token = application.add_subcommand("token", "Manage bearer tokens for the gateway");
  token->require_subcommand(1);
  auto const add = [&](CLI::App* command, char const* name, char const* help) {
    auto* subcommand = command->add_subcommand(name, help);
    add_database_option(*subcommand, options->database);
    return subcommand;
  };
  auto const add_with_domain = [&](char const* name, char const* help) {
    auto* subcommand = add(tenant, name, help);
    subcommand->add_option("domain", options->domain, "Its domain, as shop.example")->required();
    return subcommand;
  };

  add_with_domain("add", "Add a tenant; one that is there stays as it is")->callback([options] {
    add_tenant(*options);
  });
  add_with_domain("suspend", "Refuse a tenant's tokens")->callback([options] {
    set_tenant_status(*options, "suspended");
  });
  add_with_domain("resume", "Accept a tenant's tokens again")->callback([options] {
    set_tenant_status(*options, "active");
  });
  add(tenant, "ls", "List tenants")->callback([options] { list_tenants(*options); });

  auto* create = add(token, "create", "Make a token and print it, this once: only its SHA-256 is kept");
  create->add_option("--domain", options->domain, "The token's tenant")->required();
  create->add_option("--role", options->role, "The token's rights")
      ->check(CLI::IsMember({"tenant", "operator"}))
      ->capture_default_str();
  create->callback([options] { create_token(*options); });
  auto* revoke = add(token, "revoke", "Make a token invalid");
  revoke->add_option("token", options->token, "The token, or its id as ls shows it")->required();
  revoke->callback([options] { revoke_token(*options); });
  auto* list = add(token, "ls", "List tokens by the first digits of their hash");
  list->add_option("--domain", options->domain, "Only this tenant");
  list->callback([options] { list_tokens(*options); });
}

}  // namespace omnibus::cli
