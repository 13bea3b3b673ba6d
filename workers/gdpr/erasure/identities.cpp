// How the identities of a person are found: from each that is known, those that the tables join to it.
#include "events/conversation.hpp"
#include "postgres/rows.hpp"
#include "workers/gdpr/erasure/erasure_store.hpp"

#include <algorithm>

#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

constexpr int most_rounds = 8;
constexpr std::size_t page = 10'000;

struct ProfileIdentity {
  Uuid id;
  std::optional<std::string> subject_key;
  std::optional<std::string> phone_number;
  std::optional<std::string> whatsapp_user_id;
  std::optional<std::string> sms_sender;
  std::optional<std::string> sms_opt_out_at;
  std::optional<std::string> whatsapp_opt_out_at;
};
BOOST_DESCRIBE_STRUCT(ProfileIdentity, (),
                      (id, subject_key, phone_number, whatsapp_user_id, sms_sender, sms_opt_out_at,
                       whatsapp_opt_out_at))

struct ConversationIdentity {
  Uuid id;
  std::string session_id;
};
BOOST_DESCRIBE_STRUCT(ConversationIdentity, (), (id, session_id))

struct UserIdentity {
  Uuid id;
  std::optional<std::string> unsubscribed_at;
};
BOOST_DESCRIBE_STRUCT(UserIdentity, (), (id, unsubscribed_at))

struct SessionCalls {
  Uuid id;
  std::vector<std::string> call_ids;
};
BOOST_DESCRIBE_STRUCT(SessionCalls, (), (id, call_ids))

constexpr char const* profile_columns =
    "SELECT id, subject_key, phone_number, whatsapp_user_id, sms_sender, CASE WHEN NOT allows_sms OR sms_opt_out_at IS "
    "NOT NULL THEN COALESCE(sms_opt_out_at, now())::text END AS sms_opt_out_at, whatsapp_opt_out_at::text AS "
    "whatsapp_opt_out_at FROM profiles ";

using Keys = ErasureStore::Keys;

bool meets(Keys const& keys, std::vector<std::string> const& some) {
  return std::ranges::any_of(some, [&](std::string const& key) { return keys.contains(key); });
}

/// One search: everything is read in one transaction, with what was found so far.
class IdentitySearch {
 public:
  IdentitySearch(pqxx::transaction_base& transaction, KeyMaker const& maker, std::string const& domain)
      : transaction_{transaction}, maker_{maker}, domain_{domain} {}

  ErasedPerson run(Keys const& keys) {
    person_.keys = keys;
    for (int round = 0; round < most_rounds; ++round) {
      auto const before = person_.keys.size() + person_.for_good.size();
      add_unfinished();
      add_links();
      add_profiles();
      add_sessions();
      add_conversations();
      add_users();
      add_matches();
      if (person_.keys.size() + person_.for_good.size() == before) break;
    }
    count("profiles", profiles_);
    count("conversations", conversations_);
    count("users", users_);
    return std::move(person_);
  }

 private:
  std::vector<std::string> list() const {
    auto const all = person_.all();
    return {all.begin(), all.end()};
  }
  void count(std::string const& table, std::set<Uuid> const& ids) {
    if (!ids.empty()) person_.found.push_back({table, static_cast<std::int64_t>(ids.size())});
  }
  void add_keys(std::vector<std::string> const& keys) { person_.keys.insert(keys.begin(), keys.end()); }

  /// What an erasure that failed has begun with: its events wait until one ends.
  void add_unfinished() {
    add_keys(postgres::read<std::string>(
        transaction_,
        "SELECT subject_key::text FROM pipeline.erasures WHERE positions IS NULL AND NOT for_good AND request_id IN "
        "(SELECT request_id FROM pipeline.erasures WHERE subject_key = ANY ($1::text[]) AND positions IS NULL AND NOT "
        "for_good)",
        pqxx::params{list()}));
  }

  void add_links() {
    add_keys(postgres::read<std::string>(
        transaction_,
        "SELECT DISTINCT other.subject_key::text FROM identity_links l JOIN identity_links other USING (domain, "
        "customer_id) WHERE l.domain = $1 AND l.subject_key = ANY ($2::text[])",
        pqxx::params{domain_, list()}));
  }

  std::vector<std::string> keys_of(ProfileIdentity const& profile) const {
    std::vector<std::string> keys{alias_text(profile.id)};
    for (auto const* sender : {&profile.phone_number, &profile.whatsapp_user_id, &profile.sms_sender})
      if (*sender)
        for (auto& key : maker_.sender(domain_, **sender)) keys.push_back(std::move(key));
    if (profile.subject_key) keys.push_back(*profile.subject_key);
    return keys;
  }

  void add(ProfileIdentity const& profile) {
    if (!profiles_.insert(profile.id).second) return;
    person_.for_good.insert(alias_text(profile.id));
    auto keys = keys_of(profile);
    keys.erase(keys.begin());
    add_keys(keys);
    for (auto const& key : Keys{keys.begin(), keys.end()}) {
      if (profile.sms_opt_out_at) person_.opt_outs.push_back({"sms", key, *profile.sms_opt_out_at});
      if (profile.whatsapp_opt_out_at) person_.opt_outs.push_back({"whatsapp", key, *profile.whatsapp_opt_out_at});
    }
  }

  void add_profiles() {
    for (auto const& profile : postgres::read<ProfileIdentity>(
             transaction_,
             std::string{profile_columns} +
                 "WHERE domain = $1 AND (subject_key = ANY ($2::text[]) OR id = ANY ($2::uuid[]))",
             pqxx::params{domain_, list()}))
      add(profile);
    // The column has one key; whoever has several identities may be asked for by another one.
    std::string after = to_string(Uuid{});
    for (std::size_t got = page; got == page;) {
      auto const rows = postgres::read<ProfileIdentity>(
          transaction_,
          std::string{profile_columns} +
              "WHERE domain = $1 AND num_nonnulls(phone_number, whatsapp_user_id, sms_sender) > 1 AND id > $2::uuid "
              "ORDER BY id LIMIT $3",
          pqxx::params{domain_, after, page});
      got = rows.size();
      for (auto const& row : rows)
        if (meets(person_.keys, keys_of(row))) add(row);
      if (!rows.empty()) after = to_string(rows.back().id);
    }
  }

  void add_sessions() {
    for (auto const& session : postgres::read<SessionCalls>(
             transaction_, "SELECT id, call_ids FROM omnichannel_sessions WHERE profile_id = ANY ($1::uuid[])",
             pqxx::params{list()})) {
      person_.for_good.insert(alias_text(session.id));
      // What a call's model was asked is counted in a conversation of its own.
      for (auto const& call : session.call_ids)
        person_.for_good.insert(alias_text(conversation_id_of(domain_, "call:" + call)));
    }
  }

  void add_conversations() {
    for (auto const& row : postgres::read<ConversationIdentity>(
             transaction_,
             "SELECT id, session_id FROM conversations WHERE domain = $1 AND (subject_key = ANY ($2::text[]) OR id = "
             "ANY ($2::uuid[]))",
             pqxx::params{domain_, list()})) {
      conversations_.insert(row.id);
      person_.keys.insert(alias_text(row.id));
      person_.keys.insert(alias_text(conversation_id_of(domain_, row.session_id)));
      add_keys(maker_.session(domain_, row.session_id));
    }
  }

  void add_users() {
    std::string after = to_string(Uuid{});
    for (std::size_t got = page; got == page;) {
      auto const rows = postgres::read<UserIdentity>(
          transaction_,
          "SELECT u.id, n.created_at::text AS unsubscribed_at FROM users u LEFT JOIN "
          "omniscient_report_unsubscriptions n ON n.user_id = u.id WHERE u.domain = $1 AND u.id > $2::uuid ORDER BY "
          "u.id LIMIT $3",
          pqxx::params{domain_, after, page});
      got = rows.size();
      for (auto const& row : rows) {
        auto keys = maker_.user(domain_, row.id);
        keys.push_back(alias_text(row.id));
        if (!meets(person_.keys, keys) || !users_.insert(row.id).second) continue;
        add_keys(keys);
        if (row.unsubscribed_at)
          for (auto const& key : keys) person_.opt_outs.push_back({"email", key, *row.unsubscribed_at});
      }
      if (!rows.empty()) after = to_string(rows.back().id);
    }
  }

  void add_matches() {
    if (users_.empty()) return;
    for (auto const& id : postgres::read<Uuid>(
             transaction_,
             "SELECT id FROM omniscient_matches WHERE user_a_id = ANY ($1::uuid[]) OR user_b_id = ANY ($1::uuid[]) "
             "UNION ALL SELECT c.id FROM omniscient_matches m JOIN omniscient_conversations c ON c.match_id = m.id "
             "WHERE m.user_a_id = ANY ($1::uuid[]) OR m.user_b_id = ANY ($1::uuid[])",
             pqxx::params{list()}))
      person_.for_good.insert(alias_text(id));
  }

  pqxx::transaction_base& transaction_;
  KeyMaker const& maker_;
  std::string const& domain_;
  ErasedPerson person_;
  std::set<Uuid> profiles_;
  std::set<Uuid> conversations_;
  std::set<Uuid> users_;
};

}  // namespace

ErasedPerson PostgresErasure::find_over(pqxx::connection& connection, std::string const& domain,
                                        Keys const& keys) const {
  pqxx::read_transaction query{connection};
  return IdentitySearch{query, keys_, domain}.run(keys);
}

Task<ErasedPerson> PostgresErasure::find(Context& context, std::string domain, Keys keys) {
  auto reading =
      context.read([this, domain, keys](pqxx::connection& connection) { return find_over(connection, domain, keys); });
  co_return co_await std::move(reading);
}

}  // namespace omnibus::gdpr
