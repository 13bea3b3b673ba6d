/// The address of a client's request.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::http {

/// An absolute http or https address.
struct Url {
  bool secure = false;
  std::string host;  ///< without the brackets of an IPv6 address
  std::uint16_t port = 80;
  std::string target = "/";  ///< path and query

  /// Scheme, host and port, by which connections are shared.
  std::string origin() const;
  /// The Host header: without the port when it is the scheme's default.
  std::string authority() const;
};

/// Nothing when the text is not an absolute http(s) address, or has user data, spaces or control characters.
std::optional<Url> parse_url(std::string_view text);

}  // namespace omnibus::http
