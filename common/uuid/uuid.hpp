#pragma once

#include <array>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus {

/// A UUID of RFC 9562, in network byte order. A default one is the nil UUID.
struct Uuid {
  std::array<std::uint8_t, 16> bytes{};

  auto operator<=>(Uuid const&) const = default;
};

/// A new random UUID (version 4). May be called from any thread.
/// @throws std::runtime_error when the system has no random bytes.
Uuid random_uuid();

/// The UUID (version 5, SHA-1) of a name within a namespace: the same for equal inputs, on every machine.
Uuid name_uuid(Uuid const& space, std::string_view name);

/// The same for a name given in parts. How the name is divided makes no difference.
Uuid name_uuid(Uuid const& space, std::initializer_list<std::string_view> parts);

/// The canonical lower-case form, 8-4-4-4-12.
std::string to_string(Uuid const& uuid);

/// Reads the canonical form in either case; nothing else (no braces, no urn:, no missing hyphens) is a UUID.
std::optional<Uuid> parse_uuid(std::string_view text);

}  // namespace omnibus

template <>
struct std::hash<omnibus::Uuid> {
  std::size_t operator()(omnibus::Uuid const& uuid) const noexcept {
    std::uint64_t halves[2];
    std::memcpy(halves, uuid.bytes.data(), sizeof halves);
    return static_cast<std::size_t>(halves[0] ^ (halves[1] * 0x9e3779b97f4a7c15ULL));
  }
};
