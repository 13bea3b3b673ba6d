/// How the archives of exports are sealed: a random key for each, which a master key wraps.
#pragma once

#include "hash/aes_gcm.hpp"
#include "sealing/master_keys.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::privacy {

/// The keys of archives are wrapped as those of persons are.
using ArchiveKeys = sealing::MasterKeys;
using sealing::MasterKeySettings;
using sealing::WrappedKey;

/// Bytes of each part of an archive but the last, before it is sealed.
inline constexpr std::size_t archive_part_bytes = 256 * 1024;

/// A part of an archive, bound to its place by its number.
std::string seal_part(AesKey const& key, std::int64_t number, std::string_view clear);
std::optional<std::string> open_part(AesKey const& key, std::int64_t number, std::string_view sealed);

/// What an archive's wrapped key is bound to, so that no archive can be exchanged or cut.
std::string archive_binding(std::string_view request_id, std::int64_t size, std::string_view sha256_hex);

}  // namespace omnibus::privacy
