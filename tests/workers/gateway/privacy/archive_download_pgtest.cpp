#include "tests/workers/gateway/privacy/privacy_world.hpp"

#include <string>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace omnibus::gateway::test;

namespace {

/// Three parts, the last of them short.
std::string some_bytes() {
  std::string bytes;
  while (bytes.size() < 2 * privacy::archive_part_bytes + 1000) bytes += std::to_string(bytes.size()) + ",";
  return bytes;
}

struct ArchiveWorld : PrivacyWorld {
  std::string const bytes = some_bytes();
  std::string const path{archive_path};
  ArchiveWorld() { add_archive(bytes); }

  DownloadingClient get_range(std::string const& range) {
    auto asked = request("admin", "GET", path);
    asked.headers.add("Range", range);
    return serve(std::move(asked));
  }
};

}  // namespace

TEST_CASE_FIXTURE(ArchiveWorld, "HEAD, ranges and broken downloads use up nothing; a whole one does") {
  auto const head = serve(request("admin", "HEAD", path));
  CHECK(head.status == 200);
  CHECK(head.header("Content-Length") == std::to_string(bytes.size()));
  CHECK(head.body.empty());

  auto const first = get_range("bytes=0-0");
  CHECK(first.status == 206);
  CHECK(first.body == bytes.substr(0, 1));
  CHECK(first.header("Content-Range") == "bytes 0-0/" + std::to_string(bytes.size()));
  CHECK(get_range("bytes=262140-262150").body == bytes.substr(262140, 11));
  CHECK(get_range("bytes=-10").body == bytes.substr(bytes.size() - 10));
  CHECK(get_range("bytes=0-").body == bytes);
  CHECK(get_range("bytes=" + std::to_string(bytes.size()) + "-").status == 416);
  CHECK(get_range("bytes=0-1,5-6").status == 416);

  for (auto const takes : {bytes.size() / 2, bytes.size() - 1}) {
    DownloadingClient broken;
    broken.takes = takes;
    serve(request("admin", "GET", path), broken);
  }
  DownloadingClient resetting;
  resetting.resets = true;
  CHECK(serve(request("admin", "GET", path), resetting).body == bytes);
  CHECK(value("SELECT used_at FROM gdpr_archives") == "null");

  auto const whole = get("admin", path);
  CHECK(whole.status == 200);
  CHECK(whole.body == bytes);
  CHECK(whole.header("Content-Type") == "application/gzip");
  CHECK(value("SELECT count(*) FROM gdpr_archive_parts") == "0");
  CHECK(get("admin", path).status == 410);
  CHECK(get_range("bytes=0-0").status == 410);
  CHECK(serve(request("admin", "HEAD", path)).status == 410);
  CHECK(value("SELECT count(*) FROM access_log WHERE action = 'gdpr.archive.read' AND result = 'allowed'") == "9");
  CHECK(value("SELECT count(*) FROM access_log WHERE action = 'gdpr.archive.read' AND result = 'refused'") == "3");
}

TEST_CASE_FIXTURE(ArchiveWorld, "who asks again while a download breaks off waits for that, and gets the archive") {
  execute("UPDATE gdpr_archives SET used_at = now()");
  CHECK(get("admin", path).status == 410);
  execute("UPDATE gdpr_archives SET used_at = now()");
  DownloadingClient patient;
  patient.on_wait = [&] { execute("UPDATE gdpr_archives SET used_at = NULL WHERE used_at IS NOT NULL"); };
  auto asked = request("admin", "HEAD", path);
  CHECK(serve(std::move(asked), patient).status == 200);
}

TEST_CASE_FIXTURE(ArchiveWorld, "age and role are looked at when it is read, whatever runs meanwhile") {
  execute("UPDATE gdpr_archives SET expires_at = now()");
  CHECK(get("admin", path).status == 410);
  execute("UPDATE gdpr_archives SET expires_at = now() + interval '1 minute'");
  execute("UPDATE principals SET role = 'agent' WHERE name = 'admin'");
  CHECK(get("admin", path).status == 403);
  execute("UPDATE principals SET role = 'admin' WHERE name = 'admin'");
  execute("UPDATE gdpr_requests SET status = 'running'");
  CHECK(get("admin", path).status == 409);
  execute("UPDATE gdpr_requests SET status = 'completed'");
  CHECK(get("admin", path).status == 200);
}

TEST_CASE_FIXTURE(ArchiveWorld, "an archive whose master key is missing is kept, and the answer says so") {
  execute("UPDATE gdpr_archives SET key_id = '0000000000000000'");
  CHECK(get("admin", path).status == 503);
  CHECK(value("SELECT used_at FROM gdpr_archives") == "null");
}

TEST_CASE_FIXTURE(ArchiveWorld, "an archive that was erased is gone, and a request without one is not found") {
  execute("DELETE FROM gdpr_archives");
  CHECK(get("admin", path).status == 410);
  execute("UPDATE gdpr_requests SET kind = 'delete'");
  CHECK(get("admin", path).status == 404);
  CHECK(get("admin", "/v1/gdpr/requests/no-uuid/archive").status == 404);
}
