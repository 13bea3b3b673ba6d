#include "workers/gateway/webhooks/signature.hpp"

#include "hash/hash.hpp"
#include "text/base64.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace omnibus::gateway {
namespace {

constexpr std::int64_t first_in_ms = 100'000'000'000;  // as seconds it would be the year 5138

std::optional<int> nibble(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return std::nullopt;
}

std::optional<std::string> decode_hex(std::string_view text) {
  if (text.size() % 2 != 0) return std::nullopt;
  std::string bytes;
  for (std::size_t i = 0; i < text.size(); i += 2) {
    auto const high = nibble(text[i]);
    auto const low = nibble(text[i + 1]);
    if (!high || !low) return std::nullopt;
    bytes.push_back(static_cast<char>(*high * 16 + *low));
  }
  return bytes;
}

std::string_view bytes_of(Sha256 const& hash) {
  return {reinterpret_cast<char const*>(hash.data()), hash.size()};
}

}  // namespace

std::optional<std::int64_t> read_moment_ms(std::string_view text) {
  std::int64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) return parse_time_ms(text);
  constexpr std::int64_t last_ms = 253'402'300'799'999;  // of the year 9999, the last that RFC 3339 can write
  if (number < 0 || number > last_ms) return std::nullopt;
  return number < first_in_ms ? number * 1000 : number;
}

std::optional<std::string_view> signature_fault(SignatureRule const& rule, http::Headers const& headers,
                                                std::string_view body, std::int64_t now_ms) {
  auto const header = headers.find(rule.header);
  if (!header || header->empty()) return "missing";
  if (!header->starts_with(rule.prefix)) return "malformed";
  auto const written = header->substr(rule.prefix.size());
  auto const given = rule.encoding == SignatureEncoding::hex ? decode_hex(written) : decode_base64(written);
  if (!given || given->size() != sizeof(Sha256)) return "malformed";

  std::string with_timestamp;
  auto const timestamp = rule.timestamp_header.empty() ? std::nullopt : headers.find(rule.timestamp_header);
  if (!rule.timestamp_header.empty()) {
    if (!timestamp) return "no_timestamp";
    with_timestamp.append(*timestamp).append(".").append(body);
    body = with_timestamp;
  }
  auto good = false;  // every secret is tried, so that the time does not reveal which one is used
  for (auto const& secret : rule.secrets) {
    auto const expected = hmac_sha256(secret, body);
    good = same_secret(*given, bytes_of(expected)) || good;
  }
  if (!good) return "wrong";
  if (!timestamp) return std::nullopt;
  auto const signed_at = read_moment_ms(*timestamp);
  if (!signed_at) return "no_timestamp";
  if (std::abs(now_ms - *signed_at) > rule.tolerance.count()) return "stale";
  return std::nullopt;
}

}  // namespace omnibus::gateway
