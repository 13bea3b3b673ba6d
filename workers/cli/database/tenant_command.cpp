#include "postgres/rows.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>

#include <CLI/CLI.hpp>
#include <boost/describe/class.hpp>
#include <fmt/core.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct TenantOptions {
  std::string database;
  std::string domain;
  std::optional<int> retention_days;
  std::optional<bool> consent_required;
  std::optional<std::string> log;
};

/// A tenant's privacy preferences.
struct PrivacyPreferences {
  bool consent_required = false;
  int retention_days = 0;
  std::string log;
};
BOOST_DESCRIBE_STRUCT(PrivacyPreferences, (), (consent_required, retention_days, log))

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

/// Sets what was given, and shows all.
void set_privacy(TenantOptions const& options) {
  auto const connection = connect(options.database);
  pqxx::work transaction{*connection};
  auto const updated = transaction.exec(
      "UPDATE tenants SET updated_at = now(), settings = jsonb_set(settings, '{privacy_preferences}',"
      " COALESCE(settings -> 'privacy_preferences', '{}') || jsonb_strip_nulls(jsonb_build_object("
      " 'consent_required', $2::boolean, 'retention_days', $3::int, 'log', $4::text))) WHERE domain = $1",
      pqxx::params{options.domain, options.consent_required, options.retention_days, options.log});
  if (updated.affected_rows() == 0) throw std::runtime_error("there is no tenant " + options.domain);
  auto const preferences = postgres::read_one<PrivacyPreferences>(
      transaction, "SELECT consent_required, retention_days, log FROM privacy_preferences($1)",
      pqxx::params{options.domain});
  transaction.commit();
  fmt::print("{} consent_required={} retention_days={} log={}\n", options.domain, preferences.consent_required,
             preferences.retention_days, preferences.log);
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

}  // namespace

void add_tenant_command(CLI::App& application, int&) {
  auto const options = std::make_shared<TenantOptions>();
  auto* tenant = application.add_subcommand("tenant", "Manage tenants, the customers that own conversations");
  tenant->require_subcommand(1);
  auto const add = [&](char const* name, char const* help) {
    auto* subcommand = tenant->add_subcommand(name, help);
    add_database_option(*subcommand, options->database);
    return subcommand;
  };
  auto const add_with_domain = [&](char const* name, char const* help) {
    auto* subcommand = add(name, help);
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
  auto* privacy = add_with_domain("privacy", "Set a tenant's privacy preferences; without options show them");
  privacy
      ->add_option("--retention-days", options->retention_days, "Delete what people wrote after these days; 0: keep it")
      ->check(CLI::Range(0, 36'500));
  // CLI11 would set a flag's optional to false where it is not given.
  privacy->add_flag_function(
      "--consent-required,!--no-consent-required",
      [options](std::int64_t count) { options->consent_required = count > 0; },
      "Refuse a chat until the visitor consents to processing");
  privacy->add_option("--log", options->log, "Personal fields in Kafka: clear, or sealed by a key per person")
      ->check(CLI::IsMember({"clear", "sealed"}));
  privacy->callback([privacy, options] {
    if (privacy->remaining_size() > 0) throw CLI::ExtrasError(privacy->remaining());
    set_privacy(*options);
  });
  add_tenant_sender_command(*tenant);
  add("ls", "List tenants")->callback([options] { list_tenants(*options); });
}

}  // namespace omnibus::cli
