/// Where a client's request goes.
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

  /// Scheme, host and port: what a connection belongs to.
  std::string origin() const;
  /// The Host header: the port is left out when it is the scheme's own.
  std::string authority() const;
};

/// Nothing when the text is not an absolute http(s) address, or holds user data, blanks or control characters.
std::optional<Url> parse_url(std::string_view text);

}  // namespace omnibus::http
