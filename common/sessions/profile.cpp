#include "sessions/profile.hpp"

#include "handler/failure.hpp"
#include "postgres/rows.hpp"

#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::sessions {
namespace {

struct ProfileRow {
  Uuid id;
  bool allows_sms = false;
  bool allows_whatsapp = false;
  std::optional<std::string> subject_key;
};
BOOST_DESCRIBE_STRUCT(ProfileRow, (), (id, allows_sms, allows_whatsapp, subject_key))

constexpr std::string_view columns =
    "id, allows_sms AND sms_opt_out_at IS NULL AS allows_sms, whatsapp_opt_out_at IS NULL AS allows_whatsapp,"
    " subject_key";

void check_tenant(pqxx::transaction_base& transaction, std::string_view domain) {
  auto const status = postgres::read_optional<std::string>(transaction, "SELECT status FROM tenants WHERE domain = $1",
                                                           pqxx::params{domain});
  if (!status) throw Failure::permanent("domain is no tenant", "unknown_tenant");
  if (*status != "active") throw Failure::permanent("the tenant is not active", "inactive_tenant");
}

/// The profiles that either half of the identity names: one, when it is known.
std::vector<ProfileRow> find(pqxx::transaction_base& transaction, std::string_view domain,
                             PersonIdentity const& identity) {
  return postgres::read<ProfileRow>(
      transaction,
      fmt::format("SELECT {} FROM profiles WHERE domain = $1 AND (phone_number = $2 OR whatsapp_user_id = $3 OR "
                  "sms_sender = $4)"
                  " ORDER BY phone_number = $2 DESC NULLS LAST, id FOR NO KEY UPDATE",
                  columns),
      pqxx::params{domain, identity.phone_number, identity.whatsapp_user_id, identity.sms_sender});
}

void set(Profile& profile, ProfileRow const& row) {
  profile.id = row.id;
  profile.allows_sms = row.allows_sms;
  profile.allows_whatsapp = row.allows_whatsapp;
  profile.subject_key = row.subject_key;
}

pqxx::params both(Profile const& profile) {
  return pqxx::params{omnibus::to_string(profile.id), omnibus::to_string(profile.other.value_or(profile.id))};
}

}  // namespace

std::string_view to_string(Channel channel) noexcept {
  switch (channel) {
    case Channel::voice:
      return "voice";
    case Channel::whatsapp:
      return "whatsapp";
    case Channel::sms:
      return "sms";
  }
  return "unknown";
}

Profile find_or_create_profile(pqxx::transaction_base& transaction, std::string_view domain,
                               PersonIdentity const& identity) {
  check_tenant(transaction, domain);
  Profile profile;
  auto found = find(transaction, domain, identity);
  if (found.empty()) {
    // Another transaction may be creating the same person: then nothing is inserted, and the person can be read.
    auto const inserted = transaction.exec(
        "INSERT INTO profiles (domain, phone_number, whatsapp_user_id, sms_sender, subject_key)"
        " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
        pqxx::params{domain, identity.phone_number, identity.whatsapp_user_id, identity.sms_sender,
                     identity.subject_key});
    profile.created = inserted.affected_rows() == 1;
    found = find(transaction, domain, identity);
  }
  if (found.empty()) throw Failure::transient("the profile was deleted while it was read");
  set(profile, found[0]);
  if (found.size() > 1) profile.other = found[1].id;
  if (profile.created || profile.other) return profile;
  auto const completed =
      postgres::read_optional<ProfileRow>(transaction,
                                          fmt::format(R"(
      UPDATE profiles SET phone_number = COALESCE(phone_number, $2), whatsapp_user_id = COALESCE(whatsapp_user_id, $3),
                          subject_key = COALESCE(subject_key, $4)
      WHERE id = $1 AND (phone_number, whatsapp_user_id, subject_key) IS DISTINCT FROM
        (COALESCE(phone_number, $2), COALESCE(whatsapp_user_id, $3), COALESCE(subject_key, $4)) RETURNING {})",
                                                      columns),
                                          pqxx::params{omnibus::to_string(profile.id), identity.phone_number,
                                                       identity.whatsapp_user_id, identity.subject_key});
  if (completed) set(profile, *completed);
  return profile;
}

bool is_known(pqxx::transaction_base& transaction, std::string_view domain, PersonIdentity const& identity) {
  return !find(transaction, domain, identity).empty();
}

void note_whatsapp_inbound(pqxx::transaction_base& transaction, Uuid const& profile, std::int64_t at_ms,
                           std::optional<std::string> const& wa_id) {
  // A provider's clock may be ahead; that does not open the window for longer. A JID with the same digits stays.
  transaction.exec(
      "UPDATE profiles SET has_whatsapp = true, updated_at = now(), last_whatsapp_inbound_at ="
      " greatest(last_whatsapp_inbound_at, least(to_timestamp($2::float8 / 1000), now())), whatsapp_jid ="
      " CASE WHEN $3::text IS NULL OR substring(whatsapp_jid FROM '^[0-9]+') = $3 THEN whatsapp_jid ELSE $3 END"
      " WHERE id = $1",
      pqxx::params{omnibus::to_string(profile), at_ms, wa_id});
}

void note_sms_inbound(pqxx::transaction_base& transaction, Uuid const& profile) {
  transaction.exec("UPDATE profiles SET has_sms = true, updated_at = now() WHERE id = $1 AND NOT has_sms",
                   pqxx::params{omnibus::to_string(profile)});
}

void opt_out(pqxx::transaction_base& transaction, Profile const& profile, Channel channel) {
  if (channel == Channel::voice) return;
  auto const* const change =
      channel == Channel::sms
          ? "UPDATE profiles SET allows_sms = false, sms_opt_out_at = COALESCE(sms_opt_out_at, now()), updated_at = "
            "now()"
            " WHERE id IN ($1, $2)"
          : "UPDATE profiles SET whatsapp_opt_out_at = COALESCE(whatsapp_opt_out_at, now()), updated_at = now()"
            " WHERE id IN ($1, $2)";
  transaction.exec(change, both(profile));
}

void opt_in(pqxx::transaction_base& transaction, Profile const& profile, Channel channel) {
  if (channel == Channel::voice) return;
  transaction.exec(
      "DELETE FROM suppressions s USING profiles p WHERE p.id IN ($1, $2) AND s.domain = p.domain"
      " AND s.subject_key = p.subject_key AND s.channel = $3",
      pqxx::params{omnibus::to_string(profile.id), omnibus::to_string(profile.other.value_or(profile.id)),
                   to_string(channel)});
  auto const* const change =
      channel == Channel::sms
          ? "UPDATE profiles SET allows_sms = true, sms_opt_out_at = NULL, updated_at = now() WHERE id IN ($1, $2)"
          : "UPDATE profiles SET whatsapp_opt_out_at = NULL, updated_at = now() WHERE id IN ($1, $2)";
  transaction.exec(change, both(profile));
}

}  // namespace omnibus::sessions
