#include "workers/cli/gdpr/privacy.hpp"

#include "config/config.hpp"
#include "messaging/phone_number.hpp"
#include "postgres/rows.hpp"
#include "workers/cli/database/database.hpp"

#include <array>
#include <stdexcept>
#include <utility>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {

/// The secrets of gateway and gdpr, read from the environment so that none stands in a command line.
struct PrivacySecrets {
  static constexpr std::string_view prefix = "";
  Secret profile_key_secret;
  Secret profile_key_secret_previous;
  privacy::MasterKeySettings master;

  static constexpr std::array docs{
      config::Doc{"profile_key_secret", "That of the gateway"},
      config::Doc{"profile_key_secret_previous", "That of the gateway"},
  };
};
BOOST_DESCRIBE_STRUCT(PrivacySecrets, (), (profile_key_secret, profile_key_secret_previous, master))

namespace {

struct ProfileIdentityRow {
  std::string id;
  std::optional<std::string> phone_number, whatsapp_user_id, sms_sender;
};
BOOST_DESCRIBE_STRUCT(ProfileIdentityRow, (), (id, phone_number, whatsapp_user_id, sms_sender))

std::vector<std::string> texts_of(std::vector<Uuid> const& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (auto const& id : ids) texts.push_back(to_string(id));
  return texts;
}

std::string known_by(ProfileIdentityRow const& profile) {
  std::string text;
  auto const add = [&](std::string_view word) { text.append(text.empty() ? "" : ", ").append(word); };
  if (profile.phone_number) add(messaging::mask_phone_number(*profile.phone_number));
  if (profile.whatsapp_user_id) add("a WhatsApp id");
  if (profile.sms_sender) add("a sender of SMS");
  return text;
}

}  // namespace

void add_identity_options(CLI::App& command, PrivacyOptions& options) {
  auto* const group = command.add_option_group("the person", "Exactly one identity; what is joined to it comes along");
  group->add_option("--phone", options.identity.phone_number, "A number, as a message's sender may be written");
  group->add_option("--whatsapp", options.identity.whatsapp_user_id, "A WhatsApp id");
  group->add_option("--session", options.identity.session_id, "A visitor's session");
  group->add_option("--user", options.identity.user_id, "The id of a person who is matched");
  group->add_option("--customer", options.identity.customer_id, "The id of a customer");
  group->require_option(0, 1);
  command.add_option("--region", options.region, "The country of numbers without a country code")
      ->envname("WEBHOOK_REGION")
      ->capture_default_str();
}

privacy::SubjectRules subject_rules(PrivacyOptions const& options, std::string domain) {
  auto const secrets = config::load<PrivacySecrets>();
  constexpr std::size_t shortest = 16;  // as gateway and gdpr require it: with another secret nobody is found
  if (secrets.profile_key_secret.reveal().size() < shortest)
    throw std::runtime_error(
        "set PROFILE_KEY_SECRET, at least 16 bytes, to that of the gateway, by which people are recognised");
  return {std::move(domain), options.region, secrets.profile_key_secret.reveal(),
          secrets.profile_key_secret_previous.reveal()};
}

privacy::KeySecrets key_secrets(privacy::SubjectRules const& rules) {
  privacy::KeySecrets secrets{rules.secret};
  if (!rules.previous_secret.empty()) secrets.push_back(rules.previous_secret);
  return secrets;
}

privacy::ArchiveKeys archive_keys() {
  auto const secrets = config::load<PrivacySecrets>();
  return privacy::ArchiveKeys{secrets.master, secrets.profile_key_secret.reveal()};
}

void with_privacy(PrivacyOptions const& options, std::function<void(pqxx::transaction_base&)> const& work) {
  auto const connection = connect(options.database);
  pqxx::work transaction{*connection};
  try {
    work(transaction);
    transaction.commit();
  } catch (privacy::InvalidIdentity const& invalid) {
    throw std::runtime_error(invalid.detail);
  } catch (pqxx::insufficient_privilege const&) {
    throw std::runtime_error(
        "this role lacks the right: set DATABASE_URL or --database to the role omnibus_readonly, for holds, unlink and "
        "reapply to omnibus_admin");
  } catch (pqxx::undefined_table const&) {
    throw std::runtime_error("the database has no requests yet: run omnibus migrate up");
  }
}

std::vector<ShownIdentity> list_identities(pqxx::transaction_base& transaction, privacy::KnownPerson const& person) {
  std::vector<ShownIdentity> found;
  for (auto const& profile : postgres::read<ProfileIdentityRow>(transaction,
                                                                "SELECT id, phone_number, whatsapp_user_id, sms_sender "
                                                                "FROM profiles WHERE id = ANY ($1::uuid[]) ORDER BY id",
                                                                pqxx::params{texts_of(person.profiles)}))
    found.push_back({"profile", profile.id, known_by(profile)});
  auto const add = [&](std::string const& kind, std::string const& query, std::vector<Uuid> const& ids) {
    for (auto const& row : transaction.exec(query, pqxx::params{texts_of(ids)}))
      found.push_back({kind, row[0].as<std::string>(), row[1].as<std::string>()});
  };
  add("conversation", "SELECT id, session_id FROM conversations WHERE id = ANY ($1::uuid[]) ORDER BY id",
      person.conversations);
  add("user", "SELECT id, handle FROM users WHERE id = ANY ($1::uuid[]) ORDER BY id", person.users);
  add("principal", "SELECT id, role FROM principals WHERE id = ANY ($1::uuid[]) ORDER BY id", person.principals);
  add("link", "SELECT id, kind FROM identity_links WHERE customer_id = ANY ($1::uuid[]) ORDER BY id", person.customers);
  return found;
}

}  // namespace omnibus::cli
