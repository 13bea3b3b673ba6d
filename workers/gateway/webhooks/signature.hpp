/// Verifies that a request comes from its provider: keyed hashes over its bytes. Pure.
#pragma once

#include "http/message.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/enum.hpp>

namespace omnibus::gateway {

/// The encoding of a signature.
enum class SignatureEncoding { hex, base64 };
BOOST_DESCRIBE_ENUM(SignatureEncoding, hex, base64)

/// How a provider signs its requests with HMAC-SHA256.
struct SignatureRule {
  std::vector<std::string> secrets;  ///< any may have signed: two, while one replaces the other
  std::string header;
  std::string prefix;  ///< before the signature in the header, such as `sha256=`
  SignatureEncoding encoding = SignatureEncoding::hex;
  /// If not empty, the header's text, a dot and the body are signed; else only the body.
  std::string timestamp_header{};
  std::chrono::milliseconds tolerance{};  ///< how far the timestamp may be from now, in either direction
};

/// The first error in a request's signature: `missing`, `malformed`, `wrong`, `no_timestamp` or
/// `stale`; nothing when it is valid. Takes the same time for every wrong signature of the same length.
std::optional<std::string_view> signature_fault(SignatureRule const& rule, http::Headers const& headers,
                                                std::string_view body, std::int64_t now_ms);

/// A time as providers write it: RFC 3339, or seconds or milliseconds since 1970. In ms since 1970.
std::optional<std::int64_t> read_moment_ms(std::string_view text);

}  // namespace omnibus::gateway
