#include "workers/gdpr/erasure/erasure_store.hpp"

#include "kafka/event_subjects.hpp"
#include "postgres/outbox.hpp"
#include "postgres/rows.hpp"
#include "privacy/person.hpp"

#include <algorithm>
#include <limits>
#include <map>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

constexpr std::int64_t outbox_page = 1000;
/// A worker publishes a row right after its commit; the relay, and this, take what is older.
constexpr char const* publishing_time = "10 seconds";
/// Longer than any topic keeps a receipt.
constexpr char const* receipts_kept = "30 days";

struct OutboxRecord {
  std::int64_t id = 0;
  std::optional<pqxx::bytes> key;
  pqxx::bytes headers;
  std::optional<pqxx::bytes> value;
  bool is_new = false;
};
BOOST_DESCRIBE_STRUCT(OutboxRecord, (), (id, key, headers, value, is_new))

struct MessageIds {
  Uuid effect_key;
  std::optional<std::string> provider;
  std::optional<std::string> provider_message_id;
};
BOOST_DESCRIBE_STRUCT(MessageIds, (), (effect_key, provider, provider_message_id))

using Keys = ErasureStore::Keys;

std::vector<std::string> listed(Keys const& keys) {
  return {keys.begin(), keys.end()};
}

std::string_view view(pqxx::bytes const& bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

std::optional<std::string> owned(std::optional<pqxx::bytes> const& bytes) {
  if (!bytes) return std::nullopt;
  return std::string{view(*bytes)};
}

bool is_about(OutboxRecord const& row, Keys const& keys) {
  kafka::Record const record{{}, owned(row.key), owned(row.value), postgres::decode_headers(view(row.headers)), {}};
  return std::ranges::any_of(subjects_of_record(record),
                             [&](SubjectKey const& subject) { return keys.contains(subject.text()); });
}

/// The request that the aliases of messages are noted under: there are many, and no step looks rows up by them.
Uuid messages_of(Uuid const& request) {
  return name_uuid(request, "messages");
}

}  // namespace

std::int64_t PostgresErasure::fill_keys(UnitOfWork& unit, std::string const& domain) {
  return privacy::fill_subject_keys(unit.transaction(), keys_.secrets(), domain, erasure_batch);
}

std::optional<std::string> PostgresErasure::hold_until(UnitOfWork& unit, std::string const& domain, Keys const& keys) {
  return unit.transaction().query_value<std::optional<std::string>>("SELECT hold_on($1, $2::text[])::text",
                                                                    pqxx::params{domain, listed(keys)});
}

void PostgresErasure::begin(UnitOfWork& unit, Uuid const& request, std::string const& domain, Keys const& keys,
                            Keys const& for_good) {
  unit.transaction().exec("SELECT pipeline.begin_erasure($1, $2, $3::text[], $4::text[])",
                          pqxx::params{to_string(request), domain, listed(keys), listed(for_good)});
}

Task<Keys> PostgresErasure::begun(Context& context, Uuid request) {
  auto reading = context.read([id = to_string(request)](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    auto const keys = postgres::read<std::string>(
        query, "SELECT subject_key::text FROM pipeline.erasures WHERE request_id = $1", pqxx::params{id});
    return Keys{keys.begin(), keys.end()};
  });
  co_return co_await std::move(reading);
}

std::int64_t PostgresErasure::begin_messages(UnitOfWork& unit, Uuid const& request, std::string const& domain,
                                             Keys const& keys) {
  auto const rows = postgres::read<MessageIds>(
      unit.transaction(),
      "SELECT d.effect_key, d.provider, d.provider_message_id FROM pipeline.delivery d WHERE d.profile_id = ANY "
      "($1::uuid[]) AND d.updated_at > now() - $2::interval AND NOT EXISTS (SELECT FROM pipeline.erasures e WHERE "
      "e.subject_key = replace(d.effect_key::text, '-', '')) LIMIT $3",
      pqxx::params{listed(keys), receipts_kept, erasure_batch / 2});
  Keys aliases;
  for (auto const& row : rows) {
    aliases.insert(alias_text(row.effect_key));
    if (row.provider && row.provider_message_id) aliases.insert(receipt_alias(*row.provider, *row.provider_message_id));
  }
  if (!aliases.empty()) begin(unit, messages_of(request), domain, {}, aliases);
  return static_cast<std::int64_t>(rows.size());
}

void PostgresErasure::suppress(UnitOfWork& unit, std::string const& domain, std::vector<OptOut> const& opt_outs) {
  for (auto const& each : opt_outs)
    unit.transaction().exec(
        "INSERT INTO suppressions (domain, channel, subject_key, since, source) VALUES ($1, $2, $3, $4, 'erasure') ON "
        "CONFLICT DO NOTHING",
        pqxx::params{domain, each.channel, each.subject_key, each.since});
}

Task<std::vector<std::string>> PostgresErasure::telemetry_days(Context& context) {
  auto reading = context.read([](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return postgres::read<std::string>(
        query,
        "SELECT to_date(right(c.relname, 8), 'YYYYMMDD')::text FROM pg_inherits i JOIN pg_class c ON c.oid = "
        "i.inhrelid WHERE i.inhparent = 'chat_telemetry'::regclass AND c.relname ~ '^chat_telemetry_[0-9]{8}$' ORDER "
        "BY 1");
  });
  co_return co_await std::move(reading);
}

PersonOutbox PostgresErasure::find_outbox_over(pqxx::connection& connection, Keys const& keys) {
  pqxx::nontransaction query{connection};
  PersonOutbox found;
  for (std::int64_t after = std::numeric_limits<std::int64_t>::min(), got = outbox_page; got == outbox_page;) {
    auto const rows = postgres::read<OutboxRecord>(
        query,
        "SELECT id, key, headers, value, created_at > now() - $2::interval AS is_new FROM pipeline.outbox WHERE id > "
        "$1 ORDER BY id LIMIT $3",
        pqxx::params{after, publishing_time, outbox_page});
    got = static_cast<std::int64_t>(rows.size());
    for (auto const& row : rows) {
      after = row.id;
      if (!is_about(row, keys)) continue;
      found.ids.push_back(row.id);
      found.being_published = found.being_published || row.is_new;
    }
  }
  return found;
}

Task<PersonOutbox> PostgresErasure::find_outbox(Context& context, Keys keys) {
  auto reading = context.read([keys](pqxx::connection& connection) { return find_outbox_over(connection, keys); });
  co_return co_await std::move(reading);
}

void PostgresErasure::remove_outbox(UnitOfWork& unit, std::vector<std::int64_t> const& ids) {
  unit.transaction().exec("DELETE FROM pipeline.outbox WHERE id = ANY ($1::bigint[])", pqxx::params{ids});
}

std::int64_t PostgresErasure::drop_letters(UnitOfWork& unit, std::vector<PersonLetter> const& letters) {
  struct Columns {
    std::vector<std::string> ids;
    std::vector<std::int32_t> partitions;
    std::vector<std::int64_t> offsets;
    std::vector<std::string> workers;
  };
  std::map<std::string, Columns> topics;
  for (auto const& letter : letters) {
    auto& columns = topics[letter.topic];
    columns.ids.push_back(to_string(letter.id));
    columns.partitions.push_back(letter.partition);
    columns.offsets.push_back(letter.offset);
    columns.workers.push_back(letter.worker);
  }
  std::int64_t dropped = 0;
  for (auto const& [topic, columns] : topics)
    dropped += unit.transaction().query_value<std::int64_t>(
        "SELECT pipeline.drop_letters($1::uuid[], $2, $3::int[], $4::bigint[], $5::text[])",
        pqxx::params{columns.ids, topic, columns.partitions, columns.offsets, columns.workers});
  return dropped;
}

void PostgresErasure::set_positions(UnitOfWork& unit, Uuid const& request, std::string const& positions) {
  // The keys are those that it began with: after a crash, the rows that led to them may be gone.
  unit.transaction().exec(
      "SELECT pipeline.destroy_subject_keys(array_agg(subject_key)::text[]) FROM pipeline.erasures WHERE request_id = "
      "$1",
      pqxx::params{to_string(request)});
  unit.transaction().exec(
      "SELECT pipeline.set_erasure_positions(array_agg(subject_key)::text[], $2::jsonb) FROM pipeline.erasures WHERE "
      "request_id = $1 AND NOT for_good",
      pqxx::params{to_string(request), positions});
  unit.transaction().exec("SELECT pipeline.forgive_conversations($1)", pqxx::params{to_string(request)});
}

Task<bool> PostgresErasure::log_is_clear(Context& context, std::string domain) {
  auto reading = context.read([domain](pqxx::connection& connection) {
    return pqxx::nontransaction{connection}.query_value<bool>("SELECT log = 'clear' FROM privacy_preferences($1)",
                                                              pqxx::params{domain});
  });
  co_return co_await std::move(reading);
}

}  // namespace omnibus::gdpr
