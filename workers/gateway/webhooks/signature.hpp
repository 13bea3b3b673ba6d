/// Whether a request comes from whom it says: keyed hashes over its bytes. Pure.
#pragma once

#include "http/message.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/enum.hpp>

namespace omnibus::gateway {

/// How a signature's bytes are written.
enum class SignatureEncoding { hex, base64 };
BOOST_DESCRIBE_ENUM(SignatureEncoding, hex, base64)

/// How a provider signs its requests with HMAC-SHA256.
struct SignatureRule {
  std::vector<std::string> secrets;  ///< each may have signed: two, while one is being replaced by the other
  std::string header;
  std::string prefix;  ///< before the signature in the header, as `sha256=`
  SignatureEncoding encoding = SignatureEncoding::hex;
  /// Where it is not empty, what is signed is the header's text, a dot and the body; else the body alone.
  std::string timestamp_header{};
  std::chrono::milliseconds tolerance{};  ///< how far the timestamp may be from now, in either direction
};

/// What is wrong with a request's signature, first thing first: `missing`, `malformed`, `wrong`, `no_timestamp` or
/// `stale`; nothing when it is good. Takes the same time for every wrong signature of the same length.
std::optional<std::string_view> signature_fault(SignatureRule const& rule, http::Headers const& headers,
                                                std::string_view body, std::int64_t now_ms);

using Sha256 = std::array<std::uint8_t, 32>;
Sha256 hmac_sha256(std::string_view key, std::string_view text);
using Sha1 = std::array<std::uint8_t, 20>;
/// For whom has nothing better to offer.
Sha1 hmac_sha1(std::string_view key, std::string_view text);

/// Whether two texts are the same, in a time that tells nothing of either but their lengths.
bool same_secret(std::string_view left, std::string_view right);

/// A moment as providers write it: RFC 3339, or seconds or milliseconds since 1970. In ms since 1970.
std::optional<std::int64_t> read_moment_ms(std::string_view text);

}  // namespace omnibus::gateway
