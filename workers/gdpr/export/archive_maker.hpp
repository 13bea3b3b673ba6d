/// Making the archive of an export.
#pragma once

#include "events/gdpr.hpp"
#include "handler/context.hpp"
#include "handler/unit_of_work.hpp"
#include "privacy/archive_keys.hpp"
#include "privacy/person.hpp"
#include "sealing/sealer.hpp"
#include "uuid/uuid.hpp"
#include "workers/gdpr/export/person_log.hpp"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::gdpr {

/// An archive whose parts are stored; nobody can fetch it before it is kept.
struct MadeArchive {
  Uuid archive_id{};
  privacy::WrappedKey key;
  std::int64_t size = 0;
  std::string sha256_hex;
  std::vector<GdprCount> counts;  ///< lines by table or topic; of a dry run also the person's identities
};

/// Collects what is stored about a person. Tests of the handler have one in memory.
class ArchiveMaker {
 public:
  virtual ~ArchiveMaker() = default;
  /// Of a dry run it only counts. @throws what the database and Kafka throw
  virtual Task<MadeArchive> make(Context& context, GdprExportRequested const& request) = 0;
  /// From the unit's commit on it can be fetched, once, for seven days.
  virtual void keep(UnitOfWork& unit, GdprRequest const& request, MadeArchive const& archive) = 0;
};

/// The one over PostgreSQL and Kafka. Rows are read in one snapshot, records after it. Any thread may use it.
class StoredArchives final : public ArchiveMaker {
 public:
  StoredArchives(privacy::KeySecrets secrets, privacy::ArchiveKeys keys, std::unique_ptr<PersonLog> log,
                 sealing::Sealer* sealer = nullptr)
      : secrets_{std::move(secrets)}, keys_{std::move(keys)}, log_{std::move(log)}, sealer_{sealer} {}

  Task<MadeArchive> make(Context& context, GdprExportRequested const& request) override;
  void keep(UnitOfWork& unit, GdprRequest const& request, MadeArchive const& archive) override;

  /// The same on a connection of the caller's. Blocks.
  MadeArchive make_now(pqxx::connection& connection, GdprRequest const& request);

 private:
  privacy::KeySecrets const secrets_;
  privacy::ArchiveKeys const keys_;
  std::unique_ptr<PersonLog> const log_;
  sealing::Sealer* const sealer_;  // opens records of topics; null: they stay sealed
};

}  // namespace omnibus::gdpr
