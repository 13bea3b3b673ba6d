#include "privacy/person.hpp"

#include "events/conversation.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <optional>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::privacy {
namespace {

constexpr std::int64_t rows_at_once = 1'000;
constexpr std::size_t page = 10'000;

struct LinkRow {
  Uuid customer_id;
  std::string subject_key;
};
BOOST_DESCRIBE_STRUCT(LinkRow, (), (customer_id, subject_key))

struct KeyedProfile {
  Uuid id;
  std::optional<std::string> phone_number, whatsapp_user_id, sms_sender, subject_key;
};
BOOST_DESCRIBE_STRUCT(KeyedProfile, (), (id, phone_number, whatsapp_user_id, sms_sender, subject_key))

struct UserRow {
  Uuid id;
};
BOOST_DESCRIBE_STRUCT(UserRow, (), (id))

struct KeyedConversation {
  Uuid id;
  std::string session_id;
  std::optional<std::string> subject_key;
};
BOOST_DESCRIBE_STRUCT(KeyedConversation, (), (id, session_id, subject_key))

std::vector<std::string> texts_of(std::vector<Uuid> const& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (auto const& id : ids) texts.push_back(to_string(id));
  return texts;
}

/// The UUIDs that the keys may be aliases of.
std::vector<std::string> uuids_of(std::set<std::string> const& keys) {
  std::vector<std::string> ids;
  for (auto const& key : keys)
    if (auto const parsed = parse_subject_key(key)) ids.push_back(to_string(Uuid{parsed->bytes}));
  return ids;
}

/// One search for the rows of a person, while keys are found.
class PersonSearch {
 public:
  PersonSearch(pqxx::transaction_base& transaction, KeySecrets const& secrets, KnownPerson& person)
      : transaction_{transaction}, secrets_{secrets}, person_{person} {}

  void run() {
    for (std::size_t known = 0; known != person_.keys.size();) {
      known = person_.keys.size();
      std::vector<std::string> const keys(person_.keys.begin(), person_.keys.end());
      auto const ids = uuids_of(person_.keys);
      find_links(keys, ids);
      find_profiles(keys, ids);
      find_conversations(keys, ids);
      find_users();
    }
    auto const users = texts_of(person_.users);
    person_.principals = postgres::read<Uuid>(
        transaction_,
        "SELECT p.id FROM principals p WHERE p.domain = $1 AND (p.kind = 'person' AND p.id = ANY ($2::uuid[])"
        " OR p.id IN (SELECT u.auth_user_id FROM users u WHERE u.id = ANY ($3::uuid[]))) ORDER BY p.id",
        pqxx::params{person_.domain, uuids_of(person_.keys), users});
    person_.matches = read_ids(
        "SELECT id FROM omniscient_matches WHERE user_a_id = ANY ($1::uuid[])"
        " OR user_b_id = ANY ($1::uuid[]) ORDER BY id",
        users);
    person_.agent_conversations =
        read_ids("SELECT id FROM omniscient_conversations WHERE match_id = ANY ($1::uuid[]) ORDER BY id",
                 texts_of(person_.matches));
    person_.outcomes = read_ids("SELECT id FROM omniscient_outcomes WHERE match_id = ANY ($1::uuid[]) ORDER BY id",
                                texts_of(person_.matches));
    person_.sessions = read_ids("SELECT id FROM omnichannel_sessions WHERE profile_id = ANY ($1::uuid[]) ORDER BY id",
                                texts_of(person_.profiles));
    for (auto const& call : postgres::read<std::string>(
             transaction_, "SELECT unnest(call_ids) FROM omnichannel_sessions WHERE profile_id = ANY ($1::uuid[])",
             pqxx::params{texts_of(person_.profiles)}))
      person_.calls.push_back(conversation_id_of(person_.domain, "call:" + call));
    person_.deliveries =
        read_ids("SELECT effect_key FROM pipeline.delivery WHERE profile_id = ANY ($1::uuid[]) ORDER BY effect_key",
                 texts_of(person_.profiles));
  }

 private:
  std::vector<Uuid> read_ids(char const* query, std::vector<std::string> const& among) {
    return postgres::read<Uuid>(transaction_, query, pqxx::params{among});
  }

  void add(SubjectKey const& key) { person_.keys.insert(key.text()); }
  void add(std::optional<std::string> const& key) {
    if (key) person_.keys.insert(*key);
  }

  void find_links(std::vector<std::string> const& keys, std::vector<std::string> const& ids) {
    auto const links = postgres::read<LinkRow>(
        transaction_,
        "SELECT customer_id, subject_key FROM identity_links WHERE domain = $1 AND customer_id IN (SELECT customer_id"
        " FROM identity_links WHERE domain = $1 AND (subject_key = ANY ($2) OR customer_id = ANY ($3::uuid[])))"
        " ORDER BY customer_id, subject_key",
        pqxx::params{person_.domain, keys, ids});
    person_.customers.clear();
    for (auto const& link : links) {
      if (person_.customers.empty() || person_.customers.back() != link.customer_id)
        person_.customers.push_back(link.customer_id);
      add(alias(link.customer_id));
      person_.keys.insert(link.subject_key);
    }
  }

  std::vector<SubjectKey> keys_of(KeyedProfile const& profile) const {
    std::vector<SubjectKey> keys{alias(profile.id)};
    for (auto const& sender : {profile.phone_number, profile.whatsapp_user_id, profile.sms_sender})
      for (auto const& secret : secrets_)
        if (sender) keys.push_back(sender_key(secret, person_.domain, *sender));
    return keys;
  }

  void add(KeyedProfile const& profile) {
    person_.profiles.push_back(profile.id);
    for (auto const& key : keys_of(profile)) add(key);
    add(profile.subject_key);
  }

  void find_profiles(std::vector<std::string> const& keys, std::vector<std::string> const& ids) {
    person_.profiles.clear();
    for (auto const& profile : postgres::read<KeyedProfile>(
             transaction_,
             "SELECT id, phone_number, whatsapp_user_id, sms_sender, subject_key FROM profiles"
             " WHERE domain = $1 AND (subject_key = ANY ($2) OR id = ANY ($3::uuid[])) ORDER BY id",
             pqxx::params{person_.domain, keys, ids}))
      add(profile);
    // The column has one key; whoever has several identities may be asked for by another one.
    in_pages<KeyedProfile>(
        "SELECT id, phone_number, whatsapp_user_id, sms_sender, subject_key FROM profiles WHERE domain = $1"
        " AND num_nonnulls(phone_number, whatsapp_user_id, sms_sender) > 1 AND id > $2::uuid ORDER BY id LIMIT $3",
        [this](KeyedProfile const& profile) {
          if (std::ranges::find(person_.profiles, profile.id) == person_.profiles.end() && is_known(keys_of(profile)))
            add(profile);
        });
  }

  void find_conversations(std::vector<std::string> const& keys, std::vector<std::string> const& ids) {
    person_.conversations.clear();
    for (auto const& conversation : postgres::read<KeyedConversation>(
             transaction_,
             "SELECT id, session_id, subject_key FROM conversations"
             " WHERE domain = $1 AND (subject_key = ANY ($2) OR id = ANY ($3::uuid[])) ORDER BY id",
             pqxx::params{person_.domain, keys, ids})) {
      person_.conversations.push_back(conversation.id);
      add(alias(conversation.id));
      add(conversation.subject_key);
      add(alias(conversation_id_of(person_.domain, conversation.session_id)));
      for (auto const& secret : secrets_) add(session_key(secret, person_.domain, conversation.session_id));
    }
  }

  std::vector<SubjectKey> keys_of(Uuid const& user) const {
    std::vector<SubjectKey> keys{alias(user)};
    for (auto const& secret : secrets_) keys.push_back(user_key(secret, person_.domain, user));
    return keys;
  }

  /// The column has no key of a person: they may be asked for by one that only a secret makes.
  void find_users() {
    person_.users.clear();
    in_pages<UserRow>("SELECT id FROM users WHERE domain = $1 AND id > $2::uuid ORDER BY id LIMIT $3",
                      [this](UserRow const& user) {
                        auto const keys = keys_of(user.id);
                        if (!is_known(keys)) return;
                        person_.users.push_back(user.id);
                        for (auto const& key : keys) add(key);
                      });
  }

  bool is_known(std::vector<SubjectKey> const& keys) const {
    return std::ranges::any_of(keys, [this](SubjectKey const& key) { return person_.keys.contains(key.text()); });
  }

  /// Visits all rows of the tenant that a query finds behind the id $2.
  template <class Row, class Visit>
  void in_pages(char const* query, Visit const& visit) {
    auto after = to_string(Uuid{});
    for (std::size_t got = page; got == page;) {
      auto const rows = postgres::read<Row>(transaction_, query, pqxx::params{person_.domain, after, page});
      got = rows.size();
      for (auto const& row : rows) visit(row);
      if (!rows.empty()) after = to_string(rows.back().id);
    }
  }

  pqxx::transaction_base& transaction_;
  KeySecrets const& secrets_;
  KnownPerson& person_;
};

/// Reads rows of a table without a key, and writes the keys that `key_of` makes.
template <class Row, class KeyOf>
std::int64_t fill_table(pqxx::transaction_base& transaction, pqxx::params const& which, char const* query,
                        char const* update, KeyOf const& key_of) {
  auto const rows = postgres::read<Row>(transaction, query, which);
  std::vector<std::string> ids, keys;
  ids.reserve(rows.size());
  keys.reserve(rows.size());
  for (auto const& row : rows) {
    ids.push_back(to_string(row.id));
    keys.push_back(key_of(row).text());
  }
  if (!rows.empty()) transaction.exec(update, pqxx::params{ids, keys});
  return std::ssize(rows);
}

}  // namespace

std::set<SubjectKey> KnownPerson::log_keys() const {
  std::set<SubjectKey> all;
  for (auto const& key : keys)
    if (auto const parsed = parse_subject_key(key)) all.insert(*parsed);
  for (auto const* const ids : {&matches, &agent_conversations, &outcomes, &deliveries})
    for (auto const& id : *ids) all.insert(alias(id));
  return all;
}

KnownPerson find_person(pqxx::transaction_base& transaction, KeySecrets const& secrets, std::string const& domain,
                        std::vector<std::string> const& named_keys) {
  KnownPerson person;
  person.domain = domain;
  person.keys.insert(named_keys.begin(), named_keys.end());
  PersonSearch{transaction, secrets, person}.run();
  return person;
}

std::int64_t fill_subject_keys(pqxx::transaction_base& transaction, KeySecrets const& secrets,
                               std::string const& domain, std::int64_t most) {
  auto const& secret = secrets.front();
  pqxx::params const which{domain, most};
  auto const conversations = fill_table<KeyedConversation>(
      transaction, which,
      "SELECT id, session_id, subject_key FROM conversations WHERE domain = $1 AND subject_key IS NULL"
      " ORDER BY id LIMIT $2 FOR NO KEY UPDATE",
      "UPDATE conversations c SET subject_key = f.key FROM unnest($1::uuid[], $2::text[]) AS f (id, key)"
      " WHERE c.id = f.id",
      [&](KeyedConversation const& row) { return session_key(secret, domain, row.session_id); });
  auto const profiles = fill_table<KeyedProfile>(
      transaction, which,
      "SELECT id, phone_number, whatsapp_user_id, sms_sender, subject_key FROM profiles"
      " WHERE domain = $1 AND subject_key IS NULL ORDER BY id LIMIT $2 FOR NO KEY UPDATE",
      "UPDATE profiles p SET subject_key = f.key FROM unnest($1::uuid[], $2::text[]) AS f (id, key)"
      " WHERE p.id = f.id",
      [&](KeyedProfile const& row) {
        auto const& sender = row.phone_number       ? row.phone_number
                             : row.whatsapp_user_id ? row.whatsapp_user_id
                                                    : row.sms_sender;
        return sender_key(secret, domain, sender.value());
      });
  return conversations + profiles;
}

std::int64_t fill_subject_keys(pqxx::connection& connection, KeySecrets const& secrets, std::string const& domain) {
  std::int64_t filled = 0;
  for (auto batch = rows_at_once; batch >= rows_at_once; filled += batch) {
    pqxx::work transaction{connection};
    batch = fill_subject_keys(transaction, secrets, domain, rows_at_once);
    transaction.commit();
  }
  return filled;
}

}  // namespace omnibus::privacy
