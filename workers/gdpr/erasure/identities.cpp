// What of a person an erasure begins with: the keys under which they may come back, those that are gone for good, and
// their opt-outs.
#include "postgres/rows.hpp"
#include "privacy/person.hpp"
#include "workers/gdpr/erasure/erasure_store.hpp"

#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

using Keys = ErasureStore::Keys;

struct ProfileOptOuts {
  std::optional<std::string> subject_key, phone_number, whatsapp_user_id, sms_sender, sms, whatsapp;
};
BOOST_DESCRIBE_STRUCT(ProfileOptOuts, (), (subject_key, phone_number, whatsapp_user_id, sms_sender, sms, whatsapp))

struct Unsubscription {
  Uuid user_id;
  std::string since;
};
BOOST_DESCRIBE_STRUCT(Unsubscription, (), (user_id, since))

std::vector<std::string> texts_of(std::vector<Uuid> const& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (auto const& id : ids) texts.push_back(to_string(id));
  return texts;
}

/// Keys that an erasure which failed has begun with: events about them wait until one ends.
Keys with_unfinished(pqxx::transaction_base& query, Keys keys) {
  auto const unfinished = postgres::read<std::string>(
      query,
      "SELECT subject_key::text FROM pipeline.erasures WHERE positions IS NULL AND NOT for_good AND request_id IN "
      "(SELECT request_id FROM pipeline.erasures WHERE subject_key = ANY ($1::text[]) AND positions IS NULL AND NOT "
      "for_good)",
      pqxx::params{std::vector<std::string>{keys.begin(), keys.end()}});
  keys.insert(unfinished.begin(), unfinished.end());
  return keys;
}

privacy::KnownPerson find_with_unfinished(pqxx::transaction_base& query, KeyMaker const& maker,
                                          std::string const& domain, Keys keys) {
  for (;;) {
    keys = with_unfinished(query, std::move(keys));
    auto person = privacy::find_person(query, maker.secrets(), domain, {keys.begin(), keys.end()});
    if (with_unfinished(query, person.keys) == person.keys) return person;
    keys = std::move(person.keys);
  }
}

void add_opt_outs(pqxx::transaction_base& query, KeyMaker const& maker, privacy::KnownPerson const& known,
                  ErasedPerson& person) {
  for (auto const& profile : postgres::read<ProfileOptOuts>(
           query,
           "SELECT subject_key, phone_number, whatsapp_user_id, sms_sender, CASE WHEN NOT allows_sms OR sms_opt_out_at "
           "IS NOT NULL THEN COALESCE(sms_opt_out_at, now())::text END AS sms, whatsapp_opt_out_at::text AS whatsapp "
           "FROM profiles WHERE id = ANY ($1::uuid[])",
           pqxx::params{texts_of(known.profiles)})) {
    Keys keys;
    if (profile.subject_key) keys.insert(*profile.subject_key);
    for (auto const* sender : {&profile.phone_number, &profile.whatsapp_user_id, &profile.sms_sender})
      if (*sender)
        for (auto& key : maker.sender(known.domain, **sender)) keys.insert(std::move(key));
    for (auto const& key : keys) {
      if (profile.sms) person.opt_outs.push_back({"sms", key, *profile.sms});
      if (profile.whatsapp) person.opt_outs.push_back({"whatsapp", key, *profile.whatsapp});
    }
  }
  for (auto const& each : postgres::read<Unsubscription>(
           query,
           "SELECT user_id, created_at::text AS since FROM omniscient_report_unsubscriptions WHERE user_id = ANY "
           "($1::uuid[])",
           pqxx::params{texts_of(known.users)})) {
    auto keys = maker.user(known.domain, each.user_id);
    keys.push_back(alias_text(each.user_id));
    for (auto const& key : keys) person.opt_outs.push_back({"email", key, each.since});
  }
}

/// A legal hold on the other half of a match keeps the match.
void add_others(pqxx::transaction_base& query, KeyMaker const& maker, privacy::KnownPerson const& known,
                ErasedPerson& person) {
  for (auto const& id : postgres::read<Uuid>(
           query,
           "SELECT DISTINCT u FROM omniscient_matches m, unnest(ARRAY[m.user_a_id, m.user_b_id]) AS u WHERE m.id = ANY "
           "($1::uuid[]) AND NOT u = ANY ($2::uuid[])",
           pqxx::params{texts_of(known.matches), texts_of(known.users)})) {
    for (auto& key : maker.user(known.domain, id)) person.others.insert(std::move(key));
    person.others.insert(alias_text(id));
  }
}

void count(ErasedPerson& person, std::string table, std::vector<Uuid> const& rows) {
  if (!rows.empty()) person.found.push_back({std::move(table), std::ssize(rows)});
}

}  // namespace

ErasedPerson PostgresErasure::find_over(pqxx::connection& connection, std::string const& domain,
                                        Keys const& keys) const {
  pqxx::read_transaction query{connection};
  auto const known = find_with_unfinished(query, keys_, domain, keys);
  ErasedPerson person;
  person.keys = known.keys;
  for (auto const& id : known.profiles) person.keys.erase(alias_text(id));
  for (auto const* const ids :
       {&known.profiles, &known.sessions, &known.calls, &known.matches, &known.agent_conversations})
    for (auto const& id : *ids) person.for_good.insert(alias_text(id));
  add_opt_outs(query, keys_, known, person);
  add_others(query, keys_, known, person);
  count(person, "profiles", known.profiles);
  count(person, "conversations", known.conversations);
  count(person, "users", known.users);
  count(person, "principals", known.principals);
  return person;
}

Task<ErasedPerson> PostgresErasure::find(Context& context, std::string domain, Keys keys) {
  auto reading =
      context.read([this, domain, keys](pqxx::connection& connection) { return find_over(connection, domain, keys); });
  co_return co_await std::move(reading);
}

}  // namespace omnibus::gdpr
