/// Reads an archive of an export back.
#pragma once

#include <map>
#include <stdexcept>
#include <string>
#include <string_view>

#include <archive.h>
#include <archive_entry.h>

namespace omnibus::gdpr::test {

/// The files of a tar.gz, by name.
inline std::map<std::string, std::string> files_of(std::string_view bytes) {
  auto* const reader = archive_read_new();
  archive_read_support_filter_gzip(reader);
  archive_read_support_format_tar(reader);
  if (archive_read_open_memory(reader, bytes.data(), bytes.size()) != ARCHIVE_OK)
    throw std::runtime_error("no archive");
  std::map<std::string, std::string> files;
  archive_entry* entry = nullptr;
  while (archive_read_next_header(reader, &entry) == ARCHIVE_OK) {
    std::string content(static_cast<std::size_t>(archive_entry_size(entry)), '\0');
    if (archive_read_data(reader, content.data(), content.size()) != static_cast<la_ssize_t>(content.size()))
      throw std::runtime_error("a file is cut");
    files[archive_entry_pathname(entry)] = std::move(content);
  }
  archive_read_free(reader);
  return files;
}

}  // namespace omnibus::gdpr::test
