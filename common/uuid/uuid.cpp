#include "uuid/uuid.hpp"

#include <memory>
#include <stdexcept>

#include <openssl/evp.h>
#include <openssl/rand.h>

namespace omnibus {
namespace {

/// OpenSSL looks an algorithm up by name on each use unless it is fetched once, which costs more than the hash itself.
struct Sha1 {
  EVP_MD* algorithm = EVP_MD_fetch(nullptr, "SHA1", nullptr);
  EVP_MD_CTX* context = EVP_MD_CTX_new();

  Sha1() = default;
  Sha1(Sha1 const&) = delete;
  Sha1& operator=(Sha1 const&) = delete;
  ~Sha1() {
    EVP_MD_CTX_free(context);
    EVP_MD_free(algorithm);
  }
};

void set_version(Uuid& uuid, std::uint8_t version) {
  uuid.bytes[6] = static_cast<std::uint8_t>((uuid.bytes[6] & 0x0fU) | (unsigned{version} << 4U));
  uuid.bytes[8] = static_cast<std::uint8_t>((uuid.bytes[8] & 0x3fU) | 0x80U);
}

/// The value of each character as a digit, -1 for other characters: a branch on a UUID's digits cannot be predicted.
constexpr auto hex_digits = [] {
  std::array<std::int8_t, 256> values{};
  values.fill(-1);
  for (char c = '0'; c <= '9'; ++c) values[static_cast<unsigned char>(c)] = static_cast<std::int8_t>(c - '0');
  for (char c = 'a'; c <= 'f'; ++c) values[static_cast<unsigned char>(c)] = static_cast<std::int8_t>(c - 'a' + 10);
  for (char c = 'A'; c <= 'F'; ++c) values[static_cast<unsigned char>(c)] = static_cast<std::int8_t>(c - 'A' + 10);
  return values;
}();

constexpr int hex_digit(char c) {
  return hex_digits[static_cast<unsigned char>(c)];
}

constexpr bool hyphen_at(std::size_t position) {
  return position == 8 || position == 13 || position == 18 || position == 23;
}

}  // namespace

Uuid random_uuid() {
  Uuid uuid;
  if (RAND_bytes(uuid.bytes.data(), static_cast<int>(uuid.bytes.size())) != 1)
    throw std::runtime_error("no randomness for a UUID");
  set_version(uuid, 4);
  return uuid;
}

Uuid name_uuid(Uuid const& space, std::string_view name) {
  return name_uuid(space, {name});
}

Uuid name_uuid(Uuid const& space, std::initializer_list<std::string_view> parts) {
  thread_local Sha1 sha1;
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest;
  bool hashed = EVP_DigestInit_ex2(sha1.context, sha1.algorithm, nullptr) == 1 &&
                EVP_DigestUpdate(sha1.context, space.bytes.data(), space.bytes.size()) == 1;
  for (auto const part : parts) hashed = hashed && EVP_DigestUpdate(sha1.context, part.data(), part.size()) == 1;
  hashed = hashed && EVP_DigestFinal_ex(sha1.context, digest.data(), nullptr) == 1;
  if (!hashed) throw std::runtime_error("OpenSSL does not allow SHA-1, which name-based UUIDs need");
  Uuid uuid;
  std::memcpy(uuid.bytes.data(), digest.data(), uuid.bytes.size());
  set_version(uuid, 5);
  return uuid;
}

std::string to_string(Uuid const& uuid) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(36, '-');
  std::size_t position = 0;
  for (auto const byte : uuid.bytes) {
    if (hyphen_at(position)) ++position;
    text[position++] = digits[byte >> 4U];
    text[position++] = digits[byte & 0x0fU];
  }
  return text;
}

std::optional<Uuid> parse_uuid(std::string_view text) {
  if (text.size() != 36) return std::nullopt;
  Uuid uuid;
  std::size_t position = 0;
  int invalid = 0;  // negative once something was
  for (auto& byte : uuid.bytes) {
    if (hyphen_at(position) && text[position++] != '-') return std::nullopt;
    int const high = hex_digit(text[position++]);
    int const low = hex_digit(text[position++]);
    invalid |= high | low;
    byte = static_cast<std::uint8_t>((high << 4 | low) & 0xff);
  }
  return invalid < 0 ? std::nullopt : std::optional{uuid};
}

}  // namespace omnibus
