#include "workers/cli/database/tenant_senders.hpp"

#include "postgres/rows.hpp"
#include "senders/secret_folder.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <stdexcept>
#include <string_view>

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

/// A secret's role: `auth_token`, ...
struct SecretRole {
  std::string_view name;
  bool required = true;
};

struct SenderProvider {
  std::string_view name;
  std::string_view channel;
  std::span<SecretRole const> roles;
  bool needs_account = false;
};

constexpr std::array twilio_roles{SecretRole{"auth_token"}};
constexpr std::array mtn_roles{SecretRole{"api_key"}, SecretRole{"api_secret"}, SecretRole{"webhook_secret", false}};
constexpr std::array whatsapp_roles{SecretRole{"access_token"}, SecretRole{"app_secret", false}};
constexpr std::array providers{
    SenderProvider{"twilio_sms", "sms", twilio_roles, true},
    SenderProvider{"mtn_sms", "sms", mtn_roles},
    SenderProvider{"whatsapp_cloud", "whatsapp", whatsapp_roles},
};

bool all_digits(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; });
}

void check_number(senders::Sender const& sender) {
  if (sender.channel == "whatsapp" && !all_digits(sender.sender))
    throw std::runtime_error("--sender: give the id of the WhatsApp phone number, digits only");
  auto const number = sender.sender.starts_with('+');
  auto const digits = number ? std::string_view{sender.sender}.substr(1) : std::string_view{sender.sender};
  if (number && (!all_digits(digits) || digits.size() < 8 || digits.size() > 15 || digits.front() == '0'))
    throw std::runtime_error("--sender: give a number in E.164, as +250788123456");
  if (!number && sender.channel == "sms" && all_digits(digits) && digits.size() > 8)
    throw std::runtime_error("--sender: give a number with its plus and country code, as +250788123456");
}

void check_secrets(senders::Sender const& sender, SenderProvider const& provider) {
  for (std::string_view const entry : sender.secrets) {
    auto const role = entry.substr(0, entry.find('='));
    auto const known = std::ranges::any_of(provider.roles, [&](SecretRole const& each) { return each.name == role; });
    auto const name = sender.secret(role);
    if (!known || !senders::is_secret_name(name)) {
      std::vector<std::string_view> roles;
      for (auto const& each : provider.roles) roles.push_back(each.name);
      throw std::runtime_error(fmt::format(
          "--secret: give ROLE=NAME, where {} has the roles {}, and NAME is a file in SENDER_SECRETS, never the secret",
          provider.name, fmt::join(roles, ", ")));
    }
  }
  for (auto const& role : provider.roles)
    if (role.required && sender.secret(role.name).empty())
      throw std::runtime_error(
          fmt::format("{} needs --secret {}=NAME, a file in SENDER_SECRETS", provider.name, role.name));
}

}  // namespace

senders::Sender checked_sender(senders::Sender sender) {
  auto const provider = std::ranges::find(providers, std::string_view{sender.provider}, &SenderProvider::name);
  if (provider == providers.end()) throw std::runtime_error("--provider: give twilio_sms, mtn_sms or whatsapp_cloud");
  sender.channel = provider->channel;
  if (provider->needs_account && sender.account.empty())
    throw std::runtime_error(fmt::format("{} needs --account, the SID of the account", provider->name));
  check_number(sender);
  check_secrets(sender, *provider);
  return sender;
}

void add_sender(pqxx::connection& connection, senders::Sender const& sender) {
  pqxx::nontransaction query{connection};
  try {
    query.exec(
        "INSERT INTO channel_senders (domain, channel, provider, account, sender, secrets)"
        " VALUES ($1, $2, $3, $4, $5, $6::text[])",
        pqxx::params{sender.domain, sender.channel, sender.provider, sender.account, sender.sender, sender.secrets});
  } catch (pqxx::foreign_key_violation const&) {
    throw std::runtime_error(
        fmt::format("there is no tenant {}: add it with omnibus tenant add {}", sender.domain, sender.domain));
  } catch (pqxx::unique_violation const& error) {
    if (std::string_view{error.what()}.find("channel_senders_one_per_tenant") != std::string_view::npos)
      throw std::runtime_error(
          fmt::format("{} has a sender for {}: remove it first with omnibus tenant sender remove {} {}", sender.domain,
                      sender.channel, sender.domain, sender.channel));
    throw std::runtime_error(
        fmt::format("{} is another tenant's sender: omnibus tenant sender list shows whose", sender.sender));
  } catch (pqxx::check_violation const&) {
    throw std::runtime_error(
        "--sender, --account: give letters, digits, dots, hyphens and underscores; 64 characters at most");
  }
}

void remove_sender(pqxx::connection& connection, std::string const& domain, std::string const& channel) {
  pqxx::nontransaction query{connection};
  auto const removed =
      query.exec("DELETE FROM channel_senders WHERE domain = $1 AND channel = $2", pqxx::params{domain, channel});
  if (removed.affected_rows() == 0)
    throw std::runtime_error(fmt::format("{} has no sender for {}: omnibus tenant sender list {} shows its senders",
                                         domain, channel, domain));
}

std::vector<senders::Sender> list_senders(pqxx::connection& connection, std::string const& domain) {
  pqxx::nontransaction query{connection};
  return postgres::read<senders::Sender>(query,
                                         "SELECT id, domain, channel, provider, account, sender, secrets"
                                         " FROM channel_senders WHERE $1 = '' OR domain = $1 ORDER BY domain, channel",
                                         pqxx::params{domain});
}

}  // namespace omnibus::cli
