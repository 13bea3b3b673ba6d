/// A tar.gz of JSON lines.
#pragma once

#include "events/gdpr.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gdpr {

/// A file of an archive, as its manifest lists it.
struct ArchivedFile {
  std::string name;  ///< in the archive, such as `messages.0001.jsonl`
  std::string of;    ///< the table or topic
  std::int64_t lines = 0;
  std::int64_t bytes = 0;
  std::string sha256;
};
BOOST_DESCRIBE_STRUCT(ArchivedFile, (), (name, of, lines, bytes, sha256))

/// The last file of an archive.
struct ArchiveManifest {
  std::string format = "omnibus-export/1";
  Uuid request_id;
  std::string domain, created_at;
  std::vector<GdprCount> counts;  ///< lines by table or topic, empty ones included
  std::vector<ArchivedFile> files;
};
BOOST_DESCRIBE_STRUCT(ArchiveManifest, (), (format, request_id, domain, created_at, counts, files))

/// Writes lines into an archive while they are read: a file of a table or topic ends at 4 MiB, and another begins, so
/// no more than that is in memory. Use it on one thread.
class ArchiveWriter {
 public:
  /// Takes the bytes of the archive.
  using Sink = std::function<void(std::string_view bytes)>;

  /// @param moment_ms the time of all files, in ms since 1970
  ArchiveWriter(Sink sink, std::int64_t moment_ms);
  ~ArchiveWriter();
  ArchiveWriter(ArchiveWriter const&) = delete;
  ArchiveWriter& operator=(ArchiveWriter const&) = delete;

  /// The lines that follow are of this table or topic. @throws std::runtime_error, and what the sink throws
  void begin(std::string of);
  /// One JSON document, without a line end. @throws as begin
  void add(std::string_view line);
  /// Ends the archive with its manifest, whose files and counts this fills in. @throws as begin
  void finish(ArchiveManifest manifest);

  std::vector<GdprCount> const& counts() const { return counts_; }

 private:
  struct State;
  void flush();
  void put(std::string const& name, std::string_view content);

  std::unique_ptr<State> state_;
  std::int64_t const moment_ms_;
  std::vector<GdprCount> counts_;
  std::vector<ArchivedFile> files_;
  std::string content_;
  std::int64_t lines_ = 0;
  int part_ = 0;
};

}  // namespace omnibus::gdpr
