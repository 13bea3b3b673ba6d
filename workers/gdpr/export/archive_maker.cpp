#include "workers/gdpr/export/archive_maker.hpp"

#include "json/encode.hpp"
#include "json/raw.hpp"
#include "time/time.hpp"
#include "workers/gdpr/export/archive_writer.hpp"
#include "workers/gdpr/export/exported_tables.hpp"
#include "workers/gdpr/export/sealed_parts.hpp"
#include "workers/gdpr/requests/request_store.hpp"

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::gdpr {
namespace {

/// A record as a line of the archive.
struct RecordLine {
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::optional<std::string> time, type;
  std::optional<json::Raw> data;
};
BOOST_DESCRIBE_STRUCT(RecordLine, (), (partition, offset, time, type, data))

std::string line_of(PersonRecord const& record) {
  RecordLine line{record.partition, record.offset, {}, {}, {}};
  if (record.timestamp_ms >= 0) line.time = format_time_ms(record.timestamp_ms);
  if (!record.type.empty()) line.type = record.type;
  if (!record.data.empty()) line.data = json::Raw{std::string{record.data}};
  auto text = json::encode(line);
  // Valid JSON has line ends only between its tokens: one record stays one line.
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c == '\n' || c == '\r'; }, ' ');
  return text;
}

/// One export, on one connection.
class Collection {
 public:
  Collection(pqxx::connection& connection, privacy::KeySecrets const& secrets, GdprRequest const& request,
             sealing::Sealer* sealer)
      : connection_{connection}, secrets_{secrets}, request_{request}, sealer_{sealer} {}

  MadeArchive run(privacy::ArchiveKeys const& keys, PersonLog& log) {
    privacy::fill_subject_keys(connection_, secrets_, request_.domain);
    collect_rows();
    collect_records(log);
    archive_.counts = writer_.counts();
    if (request_.dry_run) {
      count_identities();
      return std::move(archive_);
    }
    archive_.size = parts_.size();
    archive_.sha256_hex = parts_.sha256_hex();
    archive_.key = keys.wrap(
        parts_.key(), privacy::archive_binding(to_string(request_.request_id), archive_.size, archive_.sha256_hex));
    return std::move(archive_);
  }

 private:
  void collect_rows() {
    pqxx::transaction<pqxx::isolation_level::repeatable_read> transaction{connection_};
    open_ = &transaction;
    person_ = privacy::find_person(transaction, secrets_, request_.domain, named_keys(request_));
    others_ = find_other_people(transaction, person_);
    visit_tables(transaction, person_, request_.request_id,
                 {[this](std::string_view table) { writer_.begin(std::string{table}); },
                  [this](std::string_view row) { writer_.add(others_.masked(row)); }});
    transaction.commit();
    open_ = nullptr;
  }

  void collect_records(PersonLog& log) {
    pqxx::nontransaction transaction{connection_};  // reading topics may take long
    open_ = &transaction;
    auto const keys = person_.log_keys();
    auto const erased_before = was_erased(transaction, keys);
    log.read(
        keys, [this](std::string_view topic) { writer_.begin(std::string{topic}); },
        [&](PersonRecord const& record) {
          if (erased_before && is_refused(transaction, record)) return;
          if (record.sealed == nullptr) return writer_.add(others_.masked(line_of(record)));
          auto const data = opened(transaction, record);
          if (!data) return;
          auto clear = record;
          clear.data = *data;
          writer_.add(others_.masked(line_of(clear)));
        });
    finish();
    open_ = nullptr;
  }

  /// Nothing for a record of an erased person. One that does not open stays as it is.
  std::optional<std::string> opened(pqxx::transaction_base& transaction, PersonRecord const& record) {
    if (sealer_ == nullptr) return std::string{record.data};
    auto const envelope = view_of(*record.sealed);
    try {
      try {
        return sealer_->open(envelope, record.data).data;
      } catch (sealing::KeysNeeded const& needed) {
        sealer_->load(transaction, needed.ids);
        return sealer_->open(envelope, record.data).data;
      }
    } catch (sealing::KeyDestroyed const&) {
      return std::nullopt;
    } catch (sealing::SealBroken const&) {
      return std::string{record.data};
    }
  }

  void finish() {
    ArchiveManifest manifest;
    manifest.request_id = request_.request_id;
    manifest.domain = request_.domain;
    manifest.created_at = format_time_ms(moment_ms_);
    writer_.finish(std::move(manifest));
    parts_.finish();
  }

  /// Somebody of these keys was erased, and has come back: what is older is not theirs.
  static bool was_erased(pqxx::transaction_base& transaction, std::set<SubjectKey> const& keys) {
    std::vector<std::string> texts;
    texts.reserve(keys.size());
    for (auto const& key : keys) texts.push_back(key.text());
    return transaction
        .exec("SELECT EXISTS (SELECT FROM pipeline.erasures WHERE subject_key = ANY ($1))", pqxx::params{texts})
        .one_row()[0]
        .as<bool>();
  }

  static bool is_refused(pqxx::transaction_base& transaction, PersonRecord const& record) {
    std::vector<std::string> subjects;
    subjects.reserve(record.subjects.size());
    for (auto const& subject : record.subjects) subjects.push_back(subject.text());
    return transaction
        .exec("SELECT bool_or(pipeline.refusal(s, $2, $3, $4) IS NOT NULL) IS TRUE FROM unnest($1::text[]) AS s",
              pqxx::params{subjects, record.topic, record.partition, record.offset})
        .one_row()[0]
        .as<bool>();
  }

  void store_part(std::int64_t number, std::string_view sealed) {
    if (request_.dry_run) return;
    open_->exec(
        "INSERT INTO gdpr_archive_parts (archive_id, part, request_id, domain, bytes) VALUES ($1, $2, $3, $4, $5)",
        pqxx::params{to_string(archive_.archive_id), number, to_string(request_.request_id), request_.domain,
                     pqxx::binary_cast(sealed)});
  }

  void count_identities() {
    archive_.counts.push_back({"identity.customers", std::ssize(person_.customers)});
    archive_.counts.push_back({"identity.profiles", std::ssize(person_.profiles)});
    archive_.counts.push_back({"identity.conversations", std::ssize(person_.conversations)});
    archive_.counts.push_back({"identity.users", std::ssize(person_.users)});
    archive_.counts.push_back({"identity.principals", std::ssize(person_.principals)});
  }

  pqxx::connection& connection_;
  privacy::KeySecrets const& secrets_;
  GdprRequest const& request_;
  sealing::Sealer* const sealer_;
  std::int64_t const moment_ms_ = wall_clock_ms();
  pqxx::transaction_base* open_ = nullptr;  // in which parts are stored
  MadeArchive archive_{random_uuid(), {}, 0, {}, {}};
  SealedParts parts_{[this](std::int64_t number, std::string_view sealed) { store_part(number, sealed); }};
  ArchiveWriter writer_{[this](std::string_view bytes) { parts_.write(bytes); }, moment_ms_};
  privacy::KnownPerson person_;
  OtherPeople others_;
};

}  // namespace

MadeArchive StoredArchives::make_now(pqxx::connection& connection, GdprRequest const& request) {
  return Collection{connection, secrets_, request, sealer_}.run(keys_, *log_);
}

Task<MadeArchive> StoredArchives::make(Context& context, GdprExportRequested const& request) {
  auto making = context.read([this, &request](pqxx::connection& connection) { return make_now(connection, request); });
  co_return co_await std::move(making);
}

void StoredArchives::keep(UnitOfWork& unit, GdprRequest const& request, MadeArchive const& archive) {
  auto& transaction = unit.transaction();
  // Parts of an attempt that broke off are of no use.
  transaction.exec("DELETE FROM gdpr_archive_parts WHERE request_id = $1 AND archive_id <> $2",
                   pqxx::params{to_string(request.request_id), to_string(archive.archive_id)});
  transaction.exec(
      "INSERT INTO gdpr_archives (request_id, domain, subject_key, archive_id, key_id, wrapped_key, size, sha256)"
      " VALUES ($1, $2, $3, $4, $5, $6, $7, decode($8, 'hex')) ON CONFLICT DO NOTHING",
      pqxx::params{to_string(request.request_id), request.domain, request.subject_key, to_string(archive.archive_id),
                   archive.key.key_id, pqxx::binary_cast(archive.key.sealed), archive.size, archive.sha256_hex});
}

}  // namespace omnibus::gdpr
