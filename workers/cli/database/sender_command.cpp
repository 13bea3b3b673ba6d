#include "workers/cli/commands.hpp"
#include "workers/cli/database/database.hpp"
#include "workers/cli/database/tenant_senders.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <memory>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/core.h>
#include <fmt/ranges.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct SenderOptions {
  std::string database;
  std::string domain;
  senders::Sender sender;
};

void add(SenderOptions const& options) {
  auto sender = options.sender;
  sender.domain = options.domain;
  sender = checked_sender(std::move(sender));
  add_sender(*connect(options.database), sender);
  fmt::print("{} sends {} from {}; it counts within SENDER_REFRESH of the gateway and of omnibus-notify\n",
             sender.domain, sender.channel, sender.sender);
}

void list(SenderOptions const& options) {
  Table table{{"TENANT", "CHANNEL", "PROVIDER", "ACCOUNT", "SENDER", "SECRETS", "ID"}};
  for (auto const& each : list_senders(*connect(options.database), options.domain))
    table.add({each.domain, each.channel, each.provider, each.account.empty() ? "-" : each.account, each.sender,
               fmt::format("{}", fmt::join(each.secrets, " ")), to_string(each.id)});
  fmt::print("{}", table.text());
}

void remove(SenderOptions const& options) {
  remove_sender(*connect(options.database), options.domain, options.sender.channel);
  fmt::print("{} has no {} sender any more: its messages go out from that of the settings\n", options.domain,
             options.sender.channel);
}

}  // namespace

void add_tenant_sender_command(CLI::App& tenant) {
  auto const options = std::make_shared<SenderOptions>();
  auto* command = tenant.add_subcommand("sender", "Manage the numbers, names and ids from which tenants send messages");
  command->require_subcommand(1);
  command->footer("A tenant without a sender uses that of the settings, and answers to it belong to WEBHOOK_DOMAIN.");
  auto const subcommand = [&](char const* name, char const* help) {
    auto* made = command->add_subcommand(name, help);
    add_database_option(*made, options->database);
    return made;
  };
  auto* adding = subcommand("add", "Give a tenant a sender; one for each channel");
  adding->add_option("domain", options->domain, "The tenant")->required();
  adding->add_option("--provider", options->sender.provider, "twilio_sms, mtn_sms or whatsapp_cloud")->required();
  adding
      ->add_option(
          "--sender", options->sender.sender,
          "A number as +250788123456, a short code, a name, a Twilio messaging service (MG...), or the id of a "
          "WhatsApp phone number")
      ->required();
  adding->add_option("--account", options->sender.account, "Twilio's account SID; MTN's service code");
  adding->add_option("--secret", options->sender.secrets,
                     "ROLE=NAME: the file in SENDER_SECRETS with the secret. Roles: auth_token (Twilio); api_key, "
                     "api_secret, webhook_secret (MTN); access_token, app_secret (WhatsApp)");
  adding->callback([options] { add(*options); });
  auto* listing = subcommand("list", "List senders, with the names of their secrets");
  listing->add_option("domain", options->domain, "Only this tenant's");
  listing->callback([options] { list(*options); });
  auto* removing = subcommand("remove", "Remove a tenant's sender; receipts for what it sent are not taken any more");
  removing->add_option("domain", options->domain, "The tenant")->required();
  removing->add_option("channel", options->sender.channel, "sms or whatsapp")
      ->required()
      ->check(CLI::IsMember({"sms", "whatsapp"}));
  removing->callback([options] { remove(*options); });
}

}  // namespace omnibus::cli
