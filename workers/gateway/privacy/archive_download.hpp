/// `GET /v1/gdpr/requests/{id}/archive`
#pragma once

#include "concurrency/task.hpp"
#include "http/router.hpp"
#include "privacy/archives.hpp"
#include "workers/gateway/matches/caller.hpp"
#include "workers/gateway/privacy/byte_range.hpp"

#include <cstdint>
#include <string>
#include <utility>

namespace omnibus::gateway {

/// Streams the archive of an export, opened, to an admin of its tenant: once, within seven days, then 410. HEAD, ranges
/// and answers that did not arrive use up nothing; it is used when its last byte was sent. Role and age are looked at
/// for each request, and each is logged in `access_log`. Use it on the event loop only.
class ArchiveDownload {
 public:
  static constexpr Needs needs = at_least(Role::admin);

  ArchiveDownload(CallerReads& reads, AccessLog& access_log, TransactionPool& pool, privacy::ArchiveKeys const& keys)
      : reads_(reads), access_log_(access_log), pool_(pool), keys_(keys) {}

  Task<> get(http::Request const& request, http::Stream& client);

 private:
  struct Asked {
    Scope scope;
    Uuid request_id;
    privacy::FoundArchive archive;
    AesKey key{};
  };
  /// Waits while the archive is settling.
  Task<Asked> find(http::Request const& request, http::Stream& client);
  /// Opened. @throws std::runtime_error when it is not there, or does not open
  Task<std::string> read_part(Asked const& asked, std::int64_t number);
  Task<> send(Asked const& asked, ByteRange range, http::Stream& client);
  /// Sends all of it, and uses it up.
  Task<> send_whole(Asked const& asked, http::Stream& client);
  Task<> write(Asked const& asked, std::function<void(pqxx::transaction_base&)> work);

  CallerReads& reads_;
  AccessLog& access_log_;
  TransactionPool& pool_;
  privacy::ArchiveKeys const& keys_;
};

}  // namespace omnibus::gateway
