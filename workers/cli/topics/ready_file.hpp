/// The file by which a background process reports that it is ready.
#pragma once

#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <string_view>
#include <system_error>
#include <utility>

#include <fmt/core.h>

namespace omnibus::cli {

/// Contains an address while the process serves it. Without a path it does nothing.
class ReadyFile {
 public:
  /// Written atomically: a reader never sees a part of the address. @throws std::runtime_error naming the file
  ReadyFile(std::filesystem::path path, std::string_view address) : path_(std::move(path)) {
    if (path_.empty()) return;
    auto const draft = path_.string() + ".tmp";
    std::ofstream file(draft, std::ios::trunc);
    file << address << '\n';
    file.close();
    if (!file) throw std::runtime_error(fmt::format("cannot write {}", draft));
    std::filesystem::rename(draft, path_);
  }
  ~ReadyFile() {
    std::error_code ignored;
    if (!path_.empty()) std::filesystem::remove(path_, ignored);
  }
  ReadyFile(ReadyFile const&) = delete;
  ReadyFile& operator=(ReadyFile const&) = delete;

 private:
  std::filesystem::path path_;
};

}  // namespace omnibus::cli
