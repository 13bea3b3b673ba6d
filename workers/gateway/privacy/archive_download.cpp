#include "workers/gateway/privacy/archive_download.hpp"

#include "observability/log.hpp"
#include "workers/gateway/matches/query.hpp"
#include "workers/gateway/privacy/privacy_answers.hpp"

#include <algorithm>
#include <chrono>
#include <exception>
#include <functional>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::gateway {
namespace {

using namespace std::chrono_literals;

/// How long a client that breaks off, with unread bytes, may take to tell.
constexpr std::chrono::milliseconds time_to_break_off = 250ms;
constexpr auto most_looks = 20;  // longer than an archive is settling
constexpr std::int64_t part_bytes = privacy::archive_part_bytes;

std::string etag_of(privacy::FoundArchive const& archive) {
  return "\"" + archive.sha256_hex + "\"";
}

/// Nothing: all of it is asked for.
std::optional<ByteRange> range_of(http::Request const& request, privacy::FoundArchive const& archive) {
  auto const header = request.headers.find("Range");
  auto const condition = request.headers.find("If-Range");
  if (!header || (condition && *condition != etag_of(archive))) return std::nullopt;
  return parse_byte_range(*header, archive.size);
}

http::Headers headers_of(Uuid const& request_id, privacy::FoundArchive const& archive, std::int64_t length) {
  auto headers = secure_headers();
  headers.set("Content-Type", "application/gzip");
  headers.set("Content-Disposition", fmt::format("attachment; filename=\"export-{}.tar.gz\"", to_string(request_id)));
  headers.set("Content-Length", std::to_string(length));
  headers.set("Accept-Ranges", "bytes");
  headers.set("ETag", etag_of(archive));
  return headers;
}

Refusal refusal_of(privacy::ArchiveState state) {
  if (state == privacy::ArchiveState::pending)
    return {409, "The export is not completed", "GET /v1/gdpr/requests/{id} tells its status", "id"};
  if (state != privacy::ArchiveState::unknown)
    return {410, "The archive is gone", "It was fetched, erased, or is older than seven days", "id"};
  return {404, "Not found", {}, "id"};
}

}  // namespace

Task<ArchiveDownload::Asked> ArchiveDownload::find(http::Request const& request, http::Stream& client) {
  auto admission = reads_.admit(request, needs);
  auto caller = co_await std::move(admission);
  Asked asked{caller.scope, path_id(request), {}};
  auto still_admin = true;
  auto const look = [&] {
    return reads_.read(caller.scope, [&](pqxx::transaction_base& transaction) {
      // An admin of the installation is in no tenant.
      if (!caller.principal.domain.empty()) still_admin = privacy::is_admin_now(transaction, caller.principal.id);
      return privacy::find_archive(transaction, asked.scope.domain, asked.request_id);
    });
  };
  for (auto looks = 0; looks < most_looks; ++looks) {
    auto reading = look();
    asked.archive = co_await std::move(reading);
    if (asked.archive.state != privacy::ArchiveState::settling) break;
    auto pausing = client.wait(time_to_break_off / 2);
    co_await std::move(pausing);
  }
  if (!still_admin) {
    auto logging = access_log_.refused(caller.principal, request);
    co_await std::move(logging);
    throw Refusal(403, "The role does not allow this", "The archive needs the role admin");
  }
  if (asked.archive.state != privacy::ArchiveState::ready) {
    auto logging = access_log_.note_refusal(asked.scope, request, "gdpr.archive.read", to_string(asked.request_id));
    co_await std::move(logging);
    throw refusal_of(asked.archive.state);
  }
  auto const binding =
      privacy::archive_binding(to_string(asked.request_id), asked.archive.size, asked.archive.sha256_hex);
  auto const key = keys_.unwrap(asked.archive.key, binding);
  if (!key) {
    log::error("an archive does not open: PII_MASTER_KEY or PROFILE_KEY_SECRET is another than when it was sealed",
               {{"request_id", to_string(asked.request_id)}, {"key_id", asked.archive.key.key_id}});
    throw Refusal::unavailable("The archive's key is not there; PII_MASTER_KEY may be another than in the gdpr worker");
  }
  asked.key = *key;
  co_return asked;
}

Task<> ArchiveDownload::get(http::Request const& request, http::Stream& client) {
  auto finding = find(request, client);
  auto const asked = co_await std::move(finding);
  auto const size = asked.archive.size;
  std::optional<ByteRange> range;
  auto satisfiable = true;
  try {
    range = range_of(request, asked.archive);
  } catch (UnsatisfiableRange const&) {
    satisfiable = false;
  }
  if (!satisfiable) {
    auto response = secured(http::problem(416, "No such range", "One range within the archive is served", "Range"));
    response.headers.set("Content-Range", fmt::format("bytes */{}", size));
    auto responding = client.respond(std::move(response));
    co_await std::move(responding);
    co_return;
  }
  auto const head = request.method == "HEAD";
  auto const what = range ? fmt::format("bytes {}-{}", range->first, range->end - 1) : std::string{"whole"};
  auto logging = access_log_.note(asked.scope, request, "gdpr.archive.read",
                                  fmt::format("{} {}", to_string(asked.request_id), head ? "head" : what));
  co_await std::move(logging);
  auto headers = headers_of(asked.request_id, asked.archive, range ? range->end - range->first : size);
  if (range) headers.set("Content-Range", fmt::format("{}/{}", what, size));
  auto starting = client.start(range ? 206 : 200, std::move(headers));
  co_await std::move(starting);
  if (head) co_return;
  auto sending = range ? send(asked, *range, client) : send_whole(asked, client);
  co_await std::move(sending);
}

Task<std::string> ArchiveDownload::read_part(Asked const& asked, std::int64_t number) {
  auto reading = reads_.read(asked.scope, [&](pqxx::transaction_base& transaction) {
    return privacy::read_archive_part(transaction, asked.archive.archive_id, number);
  });
  auto const sealed = co_await std::move(reading);
  auto opened = sealed ? privacy::open_part(asked.key, number, *sealed) : std::nullopt;
  if (!opened) throw std::runtime_error("a part of an archive is gone or does not open");
  co_return *std::move(opened);
}

Task<> ArchiveDownload::send(Asked const& asked, ByteRange range, http::Stream& client) {
  for (auto at = range.first; at < range.end;) {
    auto const number = at / part_bytes;
    auto reading = read_part(asked, number);
    auto const part = co_await std::move(reading);
    auto const skipped = at - number * part_bytes;
    auto const length = std::min(range.end - at, std::ssize(part) - skipped);
    if (length <= 0) throw std::runtime_error("a part of an archive is too short");
    auto writing = client.write(
        std::string_view{part}.substr(static_cast<std::size_t>(skipped), static_cast<std::size_t>(length)));
    co_await std::move(writing);
    at += length;
  }
}

Task<> ArchiveDownload::send_whole(Asked const& asked, http::Stream& client) {
  auto const size = asked.archive.size;
  // The end is kept back until the archive is marked as used: who has all of it meets 410 from then on.
  auto const kept_back = std::max<std::int64_t>(0, (size - 1) / part_bytes) * part_bytes;
  auto beginning = send(asked, {0, kept_back}, client);
  co_await std::move(beginning);
  auto using_up = write(asked, [&](pqxx::transaction_base& transaction) {
    if (!privacy::use_archive(transaction, asked.request_id))
      throw std::runtime_error("the archive was used up by another download");
  });
  co_await std::move(using_up);
  std::exception_ptr broken;
  try {
    auto ending = send(asked, {kept_back, size}, client);
    co_await std::move(ending);
    auto listening = client.wait(time_to_break_off);
    co_await std::move(listening);
  } catch (std::exception const&) {
    broken = std::current_exception();
  }
  auto const arrived = !broken && !client.broken();
  auto settling = write(asked, [&](pqxx::transaction_base& transaction) {
    if (arrived)
      privacy::drop_archive_parts(transaction, asked.archive.archive_id);
    else
      privacy::give_archive_back(transaction, asked.request_id);
  });
  co_await std::move(settling);
  if (broken) std::rethrow_exception(broken);
}

Task<> ArchiveDownload::write(Asked const& asked, std::function<void(pqxx::transaction_base&)> work) {
  auto job = [&asked, work = std::move(work)](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter(transaction, asked.scope);
    work(transaction);
    transaction.commit();
  };
  return pool_.run(std::move(job));
}

}  // namespace omnibus::gateway
