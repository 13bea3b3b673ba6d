#include "sealing/sealed_text.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace omnibus::sealing {
namespace {

constexpr std::string_view form = "sealed:v1:";
constexpr std::size_t uuid_length = 36;
constexpr std::string_view digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
constexpr std::uint8_t no_digit = 0xFF;

constexpr auto values = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(no_digit);
  for (std::size_t i = 0; i < digits.size(); ++i)
    table[static_cast<std::uint8_t>(digits[i])] = static_cast<std::uint8_t>(i);
  return table;
}();

/// Appends the base64url of RFC 4648, section 5, without padding.
void append_base64(std::string& out, std::string_view bytes) {
  auto at = out.size();
  out.resize(at + (bytes.size() * 8 + 5) / 6);
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (auto const byte : bytes) {
    bits = bits << 8U | static_cast<std::uint8_t>(byte);
    for (held += 8; held >= 6; held -= 6) out[at++] = digits[bits >> (held - 6) & 0x3FU];
  }
  if (held > 0) out[at] = digits[bits << (6 - held) & 0x3FU];
}

/// Reads what append_base64 writes, and nothing else: no text has two forms.
std::optional<std::string> read_base64(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string bytes(text.size() * 3 / 4, '\0');
  auto* out = bytes.data();
  std::uint32_t bits = 0;
  unsigned held = 0;
  for (auto const c : text) {
    auto const value = values[static_cast<std::uint8_t>(c)];
    if (value == no_digit) return std::nullopt;
    bits = bits << 6U | value;
    held += 6;
    if (held < 8) continue;
    held -= 8;
    *out++ = static_cast<char>(bits >> held & 0xFFU);
  }
  if ((bits & ((1U << held) - 1)) != 0) return std::nullopt;
  return bytes;
}

}  // namespace

bool is_sealed_text(std::string_view text) {
  return text.starts_with(form);
}

std::optional<SealedText> parse_sealed_text(std::string_view text) {
  if (!is_sealed_text(text)) return std::nullopt;
  text.remove_prefix(form.size());
  auto const key_id = parse_uuid(text.substr(0, uuid_length));
  if (!key_id || text.size() <= uuid_length || text[uuid_length] != ':') return std::nullopt;
  return SealedText{*key_id, text.substr(uuid_length + 1)};
}

std::string binding_of(std::string_view event_type, std::string_view pointer, std::string_view event_id) {
  // No attribute of an event has a line end.
  return std::string(event_type).append("\n").append(event_id).append("\n").append(pointer);
}

std::string seal_text(Uuid const& key_id, AesKey const& key, std::string_view binding, std::string_view clear) {
  auto const nonce = random_gcm_nonce();
  std::string bytes(reinterpret_cast<char const*>(nonce.data()), nonce.size());
  bytes += seal(key, nonce, binding, clear);
  std::string text{form};
  text.reserve(form.size() + uuid_length + 1 + bytes.size() * 4 / 3 + 1);
  text.append(to_string(key_id)).append(":");
  append_base64(text, bytes);
  return text;
}

std::optional<std::string> open_text(AesKey const& key, std::string_view binding, SealedText const& sealed) {
  auto const bytes = read_base64(sealed.base64);
  GcmNonce nonce{};
  if (!bytes || bytes->size() < nonce.size()) return std::nullopt;
  std::copy_n(bytes->begin(), nonce.size(), nonce.begin());
  return unseal(key, nonce, binding, std::string_view{*bytes}.substr(nonce.size()));
}

}  // namespace omnibus::sealing
