/// How the archives of exports are sealed: a random key for each, which a master key wraps.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "hash/aes_gcm.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::privacy {

/// The master keys, as all processes have them that seal or open.
struct MasterKeySettings {
  static constexpr std::string_view prefix = "";
  Secret pii_master_key;
  Secret pii_master_key_previous;

  static constexpr std::array docs{
      config::Doc{"pii_master_key",
                  "Wraps the keys of personal data that is stored sealed, such as exports; the same for gateway and "
                  "gdpr. Empty: exports are sealed by a key made of PROFILE_KEY_SECRET"},
      config::Doc{"pii_master_key_previous", "The previous master key, which still opens while it is being replaced"},
  };
};
BOOST_DESCRIBE_STRUCT(MasterKeySettings, (), (pii_master_key, pii_master_key_previous))

/// An archive's key, wrapped.
struct WrappedKey {
  std::string key_id;  ///< of the master key: 16 hex digits
  std::string sealed;
};

/// Wraps and unwraps the keys of archives. Immutable; any thread may use it.
class ArchiveKeys {
 public:
  /// @param otherwise PROFILE_KEY_SECRET, used without a master key: the gateway and the gdpr worker have it anyway
  ArchiveKeys(MasterKeySettings const& settings, std::string_view otherwise);

  /// Whether there is a key to wrap with.
  bool usable() const { return !keys_.empty(); }
  /// @param bound what the key belongs to. @throws std::logic_error unless usable
  WrappedKey wrap(AesKey const& key, std::string_view bound) const;
  /// Nothing when its master key is missing here, or `bound` is another.
  std::optional<AesKey> unwrap(WrappedKey const& wrapped, std::string_view bound) const;

 private:
  struct Master {
    std::string id;
    AesKey key;
  };
  void add(std::string_view secret);

  std::vector<Master> keys_;  // the first one wraps
};

/// Bytes of each part of an archive but the last, before it is sealed.
inline constexpr std::size_t archive_part_bytes = 256 * 1024;

/// A part of an archive, bound to its place by its number.
std::string seal_part(AesKey const& key, std::int64_t number, std::string_view clear);
std::optional<std::string> open_part(AesKey const& key, std::int64_t number, std::string_view sealed);

/// What an archive's wrapped key is bound to, so that no archive can be exchanged or cut.
std::string archive_binding(std::string_view request_id, std::int64_t size, std::string_view sha256_hex);

}  // namespace omnibus::privacy
