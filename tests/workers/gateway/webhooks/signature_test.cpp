#include "workers/gateway/webhooks/signature.hpp"

#include "hash/hash.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::gateway;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view body = R"({"from":"+250788123456","to":"+250788000000","message":"Update details"})";
// Of this body, by another program.
constexpr auto in_hex = "bc32ac6617a4239800e903b6c91804609582a7f7aba6e27efc72ddf261a162ab";
constexpr auto in_base64 = "vDKsZhekI5gA6QO2yRgEYJWCp/erpuJ+/HLd8mGhYqs=";
constexpr auto with_timestamp =
    "37c41b04d0baac85eddadd0e308be6d08ebf82335266c4346f0f67104ff1d96f";  // of 1763640000, a dot, and the body
constexpr std::int64_t signed_at = 1'763'640'000'000;

SignatureRule rule() {
  return {{"your_webhook_secret"}, "X-Signature", "", SignatureEncoding::hex};
}

SignatureRule timestamped() {
  auto timed = rule();
  timed.timestamp_header = "X-Timestamp";
  timed.tolerance = 5min;
  return timed;
}

std::optional<std::string_view> fault(SignatureRule const& rule, http::Headers const& headers,
                                      std::int64_t now_ms = signed_at) {
  return signature_fault(rule, headers, body, now_ms);
}

}  // namespace

TEST_CASE("what the secret's owner signed is taken, whatever the case of header and digits") {
  CHECK(fault(rule(), {{"X-Signature", in_hex}}) == std::nullopt);
  CHECK(fault(rule(), {{"x-signature", "BC32AC6617A4239800E903B6C91804609582A7F7ABA6E27EFC72DDF261A162AB"}}) ==
        std::nullopt);
}

TEST_CASE("a request without a signature is refused as such, and one with an empty one, too") {
  CHECK(fault(rule(), {}) == "missing");
  CHECK(fault(rule(), {{"X-Signature", ""}}) == "missing");
  CHECK(fault(rule(), {{"X-Other", in_hex}}) == "missing");
}

TEST_CASE("one other byte in the body, the secret or the signature, and it is wrong") {
  CHECK(signature_fault(rule(), {{"X-Signature", in_hex}}, std::string(body) + " ", 0) == "wrong");
  auto other = rule();
  other.secrets = {"your_webhook_secreT"};
  CHECK(fault(other, {{"X-Signature", in_hex}}) == "wrong");
  std::string changed = in_hex;
  changed[0] = changed[0] == '0' ? '1' : '0';
  CHECK(fault(rule(), {{"X-Signature", changed}}) == "wrong");
}

TEST_CASE("while a secret is replaced both are good, and without any none is") {
  auto rotating = rule();
  rotating.secrets = {"the new one", "your_webhook_secret"};
  CHECK(fault(rotating, {{"X-Signature", in_hex}}) == std::nullopt);
  rotating.secrets = {"your_webhook_secret", "the old one"};
  CHECK(fault(rotating, {{"X-Signature", in_hex}}) == std::nullopt);
  rotating.secrets = {"the new one", "the old one"};
  CHECK(fault(rotating, {{"X-Signature", in_hex}}) == "wrong");
  rotating.secrets = {};
  CHECK(fault(rotating, {{"X-Signature", in_hex}}) == "wrong");
}

TEST_CASE("a prefix is part of the form") {
  auto prefixed = rule();
  prefixed.prefix = "sha256=";
  CHECK(fault(prefixed, {{"X-Signature", std::string("sha256=") + in_hex}}) == std::nullopt);
  CHECK(fault(prefixed, {{"X-Signature", in_hex}}) == "malformed");
  CHECK(fault(prefixed, {{"X-Signature", std::string("sha1=") + in_hex}}) == "malformed");
}

TEST_CASE("base64 is read where it is what was agreed on") {
  auto base64 = rule();
  base64.encoding = SignatureEncoding::base64;
  CHECK(fault(base64, {{"X-Signature", in_base64}}) == std::nullopt);
  CHECK(fault(base64, {{"X-Signature", in_hex}}) == "malformed");
  CHECK(fault(rule(), {{"X-Signature", in_base64}}) == "malformed");
}

TEST_CASE("a signature of another length is malformed, as the first half of the right one") {
  CHECK(fault(rule(), {{"X-Signature", std::string(in_hex).substr(0, 32)}}) == "malformed");
  CHECK(fault(rule(), {{"X-Signature", std::string(in_hex) + "00"}}) == "malformed");
  CHECK(fault(rule(), {{"X-Signature", std::string(in_hex).substr(1)}}) == "malformed");
  CHECK(fault(rule(), {{"X-Signature", std::string(64, 'g')}}) == "malformed");
}

TEST_CASE("a time of signing is signed with the body, and what is too old or too new is stale") {
  http::Headers const headers{{"X-Signature", with_timestamp}, {"X-Timestamp", "1763640000"}};
  for (auto const now : {signed_at, signed_at + 299'999, signed_at - 299'999, signed_at + 300'000}) {
    CAPTURE(now);
    CHECK(fault(timestamped(), headers, now) == std::nullopt);
  }
  CHECK(fault(timestamped(), headers, signed_at + 300'001) == "stale");
  CHECK(fault(timestamped(), headers, signed_at - 300'001) == "stale");
}

TEST_CASE("a replayed signature does not become young by another timestamp") {
  CHECK(fault(timestamped(), {{"X-Signature", with_timestamp}, {"X-Timestamp", "1763649999"}}, 1'763'649'999'000) ==
        "wrong");
  CHECK(fault(timestamped(), {{"X-Signature", with_timestamp}}) == "no_timestamp");
  CHECK(fault(timestamped(), {{"X-Signature", in_hex}, {"X-Timestamp", "1763640000"}}) == "wrong");
}

TEST_CASE("a signed time that cannot be read is none") {
  auto const empty = hmac_sha256("your_webhook_secret", "soon." + std::string(body));
  std::string hex;
  for (auto const byte : empty) {
    hex += "0123456789abcdef"[byte >> 4U];
    hex += "0123456789abcdef"[byte & 15U];
  }
  CHECK(fault(timestamped(), {{"X-Signature", hex}, {"X-Timestamp", "soon"}}) == "no_timestamp");
}

TEST_CASE("moments are read in seconds, milliseconds and RFC 3339") {
  CHECK(read_moment_ms("1763640000") == signed_at);
  CHECK(read_moment_ms("1763640000123") == signed_at + 123);
  CHECK(read_moment_ms("2025-11-20T12:00:00Z") == signed_at);
  for (auto const* none : {"", "-1", "1e9", "12 ", "99999999999999999999", "9223372036854775807", "now"}) {
    CAPTURE(none);
    CHECK(read_moment_ms(none) == std::nullopt);
  }
}

TEST_CASE("secrets are the same or not, whatever their lengths") {
  CHECK(same_secret("", ""));
  CHECK(same_secret("abc", "abc"));
  CHECK_FALSE(same_secret("abc", "abd"));
  CHECK_FALSE(same_secret("abc", "ab"));
  CHECK_FALSE(same_secret("", "a"));
}
