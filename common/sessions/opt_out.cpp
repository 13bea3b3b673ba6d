#include "sessions/opt_out.hpp"

#include "subjects/subjects.hpp"

#include <algorithm>

#include <pqxx/pqxx>

namespace omnibus::sessions {

std::vector<std::string> subject_keys(KeySecrets const& secrets, std::string_view domain,
                                      PersonIdentity const& identity) {
  std::vector<std::string> keys;
  for (auto const* secret : {&secrets.profile_key_secret, &secrets.profile_key_secret_previous}) {
    if (secret->empty()) continue;
    for (auto const* sender : {&identity.phone_number, &identity.whatsapp_user_id, &identity.sms_sender}) {
      if (!*sender) continue;
      auto key = sender_key(secret->reveal(), domain, **sender).text();
      if (std::ranges::find(keys, key) == keys.end()) keys.push_back(std::move(key));
    }
  }
  return keys;
}

void suppress(pqxx::transaction_base& transaction, std::string_view domain, Channel channel,
              std::vector<std::string> const& keys) {
  if (channel == Channel::voice || keys.empty()) return;
  transaction.exec(
      "INSERT INTO suppressions (domain, channel, subject_key, source)"
      " SELECT t.domain, $2, k.subject_key, 'stop' FROM tenants t, unnest($3::text[]) AS k (subject_key)"
      " WHERE t.domain = $1 ON CONFLICT DO NOTHING",
      pqxx::params{domain, to_string(channel), keys});
}

void lift_suppression(pqxx::transaction_base& transaction, std::string_view domain, Channel channel,
                      std::vector<std::string> const& keys) {
  if (channel == Channel::voice || keys.empty()) return;
  transaction.exec("DELETE FROM suppressions WHERE domain = $1 AND channel = $2 AND subject_key = ANY ($3::text[])",
                   pqxx::params{domain, to_string(channel), keys});
}

}  // namespace omnibus::sessions
