/// Secrets by name, from files.
#pragma once

#include "config/types.hpp"

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::senders {

/// Whether a secret may have this name: 1 to 100 letters, digits, `_`, `-` and `.`, the first a letter or digit.
bool is_secret_name(std::string_view name);

/// A folder with one file per secret, as a mounted secret of Kubernetes is. Reads the file anew each time: a secret
/// that is replaced needs no restart. Any thread may use it.
class SecretFolder {
 public:
  /// @param folder empty: no secret is found
  explicit SecretFolder(std::string folder) : folder_{std::move(folder)} {}

  /// The secret without the line end behind it; nothing for an invalid name, or a file that is missing, empty or not
  /// readable.
  std::optional<Secret> read(std::string_view name) const;

 private:
  std::filesystem::path folder_;
};

}  // namespace omnibus::senders
