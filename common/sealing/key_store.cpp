#include "sealing/key_store.hpp"

#include "postgres/rows.hpp"

#include <cstddef>
#include <utility>

#include <boost/describe/class.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::sealing {
namespace {

/// What a stored key is bound to: no row can be exchanged for another.
std::string row_binding(Uuid const& id, SubjectKey const& subject, std::string_view domain) {
  return fmt::format("subject key\n{}\n{}\n{}", to_string(id), subject.text(), domain);
}

pqxx::bytes_view as_bytes(std::string const& text) {
  return {reinterpret_cast<std::byte const*>(text.data()), text.size()};
}

struct KeyRow {
  Uuid key_id;
  std::string subject_key;
  std::string domain;
  std::optional<pqxx::bytes> wrapped_key;
  std::optional<std::string> master_key_id;
};
BOOST_DESCRIBE_STRUCT(KeyRow, (), (key_id, subject_key, domain, wrapped_key, master_key_id))

struct TakenKeyRow {
  Uuid key_id;
  std::string domain;
  pqxx::bytes wrapped_key;
  std::string master_key_id;
  bool committed = false;
};
BOOST_DESCRIBE_STRUCT(TakenKeyRow, (), (key_id, domain, wrapped_key, master_key_id, committed))

WrappedKey wrapped_key(std::string master_key_id, pqxx::bytes const& bytes) {
  return {std::move(master_key_id), {reinterpret_cast<char const*>(bytes.data()), bytes.size()}};
}

StoredKey stored_key(KeyRow row) {
  StoredKey stored{row.key_id, parse_subject_key(row.subject_key).value(), std::move(row.domain), std::nullopt};
  if (row.wrapped_key) stored.wrapped = wrapped_key(row.master_key_id.value(), *row.wrapped_key);
  return stored;
}

}  // namespace

std::vector<StoredKey> read_keys(pqxx::transaction_base& transaction, std::vector<Uuid> const& ids) {
  std::vector<std::string> texts;
  for (auto const& id : ids) texts.push_back(to_string(id));
  std::vector<StoredKey> keys;
  for (auto& row :
       postgres::read<KeyRow>(transaction, "SELECT * FROM pipeline.read_subject_keys($1::uuid[])", pqxx::params{texts}))
    keys.push_back(stored_key(std::move(row)));
  return keys;
}

TakenKey take_key(pqxx::transaction_base& transaction, MasterKeys const& masters, SubjectKey const& subject,
                  std::string_view domain) {
  if (!masters.usable())
    throw KeyUnavailable(fmt::format("PII_MASTER_KEY is not set, and the log of {} is sealed", domain));
  auto const new_id = random_uuid();
  auto const new_key = random_aes_key();
  auto const wrapped = masters.wrap(new_key, row_binding(new_id, subject, domain));
  auto row = postgres::read_one<TakenKeyRow>(
      transaction, "SELECT * FROM pipeline.take_subject_key($1, $2, $3::uuid, $4, $5)",
      pqxx::params{subject.text(), domain, to_string(new_id), as_bytes(wrapped.sealed), wrapped.key_id});
  if (row.key_id == new_id) return {{new_id, subject, std::string{domain}, new_key}, false};
  auto stored_as = wrapped_key(std::move(row.master_key_id), row.wrapped_key);
  return {unwrap(masters, {row.key_id, subject, std::move(row.domain), std::move(stored_as)}), row.committed};
}

SubjectCipher unwrap(MasterKeys const& masters, StoredKey const& stored) {
  auto const id = to_string(stored.key_id);
  auto const& wrapped = stored.wrapped.value();
  auto const key = masters.unwrap(wrapped, row_binding(stored.key_id, stored.subject, stored.domain));
  if (!key)
    throw KeyUnavailable(
        fmt::format("key {} is wrapped by master key {}, which neither PII_MASTER_KEY nor "
                    "PII_MASTER_KEY_PREVIOUS is, or its row was changed",
                    id, wrapped.key_id));
  return {stored.key_id, stored.subject, stored.domain, *key};
}

std::vector<std::string> sealed_tenants(pqxx::transaction_base& transaction) {
  return postgres::read<std::string>(transaction, "SELECT pipeline.sealed_tenants()");
}

std::vector<SubjectKey> newly_erased(pqxx::transaction_base& transaction) {
  std::vector<SubjectKey> subjects;
  for (auto const& text : postgres::read<std::string>(
           transaction,
           "SELECT subject_key FROM pipeline.erasures WHERE erased_at > clock_timestamp() - interval '15 s'"))
    if (auto const key = parse_subject_key(text)) subjects.push_back(*key);
  return subjects;
}

std::optional<std::string> unknown_master_key(pqxx::transaction_base& transaction, MasterKeys const& masters) {
  return postgres::read_one<std::optional<std::string>>(transaction, "SELECT pipeline.unknown_master_key($1)",
                                                        pqxx::params{masters.ids()});
}

std::optional<RewrappedKeys> rewrap_keys(pqxx::transaction_base& transaction, MasterKeys const& masters,
                                         std::string const& from, std::optional<Uuid> const& after, int most) {
  auto rows = postgres::read<KeyRow>(transaction, "SELECT * FROM pipeline.subject_keys_to_rewrap($1, $2::uuid, $3)",
                                     pqxx::params{from, after ? std::optional{to_string(*after)} : std::nullopt, most});
  if (rows.empty()) return std::nullopt;
  RewrappedKeys done;
  for (auto& row : rows) {
    auto const cipher = unwrap(masters, stored_key(std::move(row)));
    auto const wrapped = masters.wrap(cipher.key, row_binding(cipher.key_id, cipher.subject, cipher.domain));
    auto const is_done = postgres::read_one<bool>(
        transaction, "SELECT pipeline.rewrap_subject_key($1::uuid, $2, $3, $4)",
        pqxx::params{to_string(cipher.key_id), from, as_bytes(wrapped.sealed), wrapped.key_id});
    if (is_done) done.domains.push_back(cipher.domain);
    done.last = cipher.key_id;
  }
  return done;
}

void audit_sealing(pqxx::transaction_base& transaction, std::string_view domain, std::string_view actor,
                   std::string_view action, std::string_view payload) {
  transaction.exec("SELECT pipeline.audit_sealing($1, $2, $3, $4::jsonb)",
                   pqxx::params{domain, actor, action, payload});
}

}  // namespace omnibus::sealing
