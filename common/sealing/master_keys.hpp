/// The master keys, which wrap the keys of personal data that is stored sealed.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "hash/aes_gcm.hpp"

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::sealing {

/// The same for all processes of an installation.
struct MasterKeySettings {
  static constexpr std::string_view prefix = "";
  Secret pii_master_key;
  Secret pii_master_key_previous;

  static constexpr std::array docs{
      config::Doc{"pii_master_key",
                  "Wraps the keys of personal data that is stored sealed: 16 characters at least, the same for all "
                  "processes. Needed once a tenant's log is sealed. Empty: exports are sealed by a key made of "
                  "PROFILE_KEY_SECRET"},
      config::Doc{"pii_master_key_previous",
                  "The previous master key, which still opens until omnibus gdpr rekey has replaced it"},
  };
};
BOOST_DESCRIBE_STRUCT(MasterKeySettings, (), (pii_master_key, pii_master_key_previous))

/// A key as it is stored.
struct WrappedKey {
  std::string key_id;  ///< of the master key: 16 hex digits
  std::string sealed;
};

/// Wraps keys with the first master key, and unwraps with any. Immutable; any thread may use it.
class MasterKeys {
 public:
  MasterKeys() = default;
  /// @param otherwise a secret that wraps without a master key, and opens with one; none if it is empty
  /// @throws config::ConfigError for a master key that is too short.
  MasterKeys(MasterKeySettings const& settings, std::string_view otherwise);
  explicit MasterKeys(MasterKeySettings const& settings) : MasterKeys{settings, {}} {}

  /// Whether there is a key to wrap with.
  bool usable() const { return !keys_.empty(); }
  /// The ids of the keys, the one that wraps first. An id does not reveal its key.
  std::vector<std::string> ids() const;
  /// @param bound what the key belongs to. @throws std::logic_error unless usable.
  WrappedKey wrap(AesKey const& key, std::string_view bound) const;
  /// Nothing when its master key is missing here, or `bound` is another.
  std::optional<AesKey> unwrap(WrappedKey const& wrapped, std::string_view bound) const;

 private:
  struct Master {
    std::string id;
    AesKey key;
  };
  void add(std::string_view secret);

  std::vector<Master> keys_;
};

}  // namespace omnibus::sealing
