#include "workers/gdpr/export/archive_writer.hpp"

#include "hash/hash.hpp"
#include "json/encode.hpp"

#include <cstddef>
#include <exception>
#include <stdexcept>
#include <utility>

#include <archive.h>
#include <archive_entry.h>
#include <fmt/format.h>

namespace omnibus::gdpr {
namespace {

constexpr std::size_t most_bytes_of_file = std::size_t{4} << 20U;
constexpr int readable = 0644;

}  // namespace

struct ArchiveWriter::State {
  explicit State(Sink its_sink) : sink{std::move(its_sink)}, archive{archive_write_new()} {
    if (archive == nullptr) throw std::bad_alloc{};
    check(archive_write_set_format_pax_restricted(archive));
    check(archive_write_add_filter_gzip(archive));
    check(archive_write_set_bytes_in_last_block(archive, 1));  // no padding
    check(archive_write_open(archive, this, nullptr, &State::write, nullptr));
  }
  State(State const&) = delete;
  State& operator=(State const&) = delete;
  ~State() {
    archive_write_fail(archive);  // else it would write what is left of an unfinished one
    archive_write_free(archive);
  }

  /// Called by libarchive, through which no exception may pass.
  static la_ssize_t write(struct archive* self, void* data, void const* bytes, std::size_t size) {
    auto& state = *static_cast<State*>(data);
    try {
      if (!state.failure) state.sink({static_cast<char const*>(bytes), size});
    } catch (...) {
      state.failure = std::current_exception();
    }
    if (!state.failure) return static_cast<la_ssize_t>(size);
    archive_set_error(self, ARCHIVE_FATAL, "the archive's bytes could not be stored");
    return -1;
  }

  void check(la_ssize_t result) const {
    if (failure) std::rethrow_exception(failure);
    if (result >= ARCHIVE_OK) return;
    auto const* const reason = archive_error_string(archive);
    throw std::runtime_error(fmt::format("libarchive: {}", reason != nullptr ? reason : "unknown"));
  }

  Sink sink;
  struct archive* archive;
  std::exception_ptr failure;
};

ArchiveWriter::ArchiveWriter(Sink sink, std::int64_t moment_ms)
    : state_{std::make_unique<State>(std::move(sink))}, moment_ms_{moment_ms} {}
ArchiveWriter::~ArchiveWriter() = default;

void ArchiveWriter::begin(std::string of) {
  flush();
  counts_.push_back({std::move(of), 0});
  part_ = 0;
}

void ArchiveWriter::add(std::string_view line) {
  if (!content_.empty() && content_.size() + line.size() >= most_bytes_of_file) flush();
  content_.append(line).append("\n");
  ++lines_;
  ++counts_.back().count;
}

void ArchiveWriter::flush() {
  if (lines_ == 0) return;
  auto const& of = counts_.back().name;
  ArchivedFile file{fmt::format("{}.{:04}.jsonl", of, ++part_), of, lines_, std::ssize(content_),
                    to_hex(sha256(content_))};
  put(file.name, content_);
  files_.push_back(std::move(file));
  content_.clear();
  lines_ = 0;
}

void ArchiveWriter::finish(ArchiveManifest manifest) {
  flush();
  manifest.counts = counts_;
  manifest.files = files_;
  put("manifest.json", json::encode(manifest).append("\n"));
  state_->check(archive_write_close(state_->archive));
}

void ArchiveWriter::put(std::string const& name, std::string_view content) {
  std::unique_ptr<archive_entry, decltype(&archive_entry_free)> const entry{archive_entry_new(), archive_entry_free};
  if (!entry) throw std::bad_alloc{};
  archive_entry_set_pathname(entry.get(), name.c_str());
  archive_entry_set_size(entry.get(), static_cast<la_int64_t>(content.size()));
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  archive_entry_set_perm(entry.get(), readable);
  archive_entry_set_mtime(entry.get(), moment_ms_ / 1000, 0);
  state_->check(archive_write_header(state_->archive, entry.get()));
  state_->check(archive_write_data(state_->archive, content.data(), content.size()));
}

}  // namespace omnibus::gdpr
