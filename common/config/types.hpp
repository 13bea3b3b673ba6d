/// Types of settings besides numbers and texts.
#pragma once

#include <cstdint>
#include <string>
#include <utility>

namespace omnibus {

/// A number of bytes, written `4096`, `512KiB`, `64MiB` or `1GiB`.
struct ByteSize {
  std::uint64_t bytes = 0;
  auto operator<=>(ByteSize const&) const = default;
};

constexpr ByteSize operator""_KiB(unsigned long long count) {
  return {count << 10};
}
constexpr ByteSize operator""_MiB(unsigned long long count) {
  return {count << 20};
}
constexpr ByteSize operator""_GiB(unsigned long long count) {
  return {count << 30};
}

/// A listening address, written `127.0.0.1:8080` or `[::1]:8080`; port 0 takes any free one.
struct ListenAddress {
  std::string host = "127.0.0.1";
  std::uint16_t port = 0;
  bool operator==(ListenAddress const&) const = default;
};

/// A secret text: masked by `--print-config`, and left out of errors.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  /// The text itself, for the code that sends it.
  std::string const& reveal() const { return value_; }
  bool empty() const { return value_.empty(); }
  bool operator==(Secret const&) const = default;

 private:
  std::string value_;
};

}  // namespace omnibus
