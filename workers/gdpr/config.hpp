/// The settings of the gdpr worker.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "privacy/person.hpp"

#include <array>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::gdpr {

struct GdprSettings {
  Secret profile_key_secret;
  Secret profile_key_secret_previous;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"profile_key_secret",
                  "Hashes numbers and sessions into subject keys; at least 16 bytes, the same as the gateway's"},
      config::Doc{"profile_key_secret_previous",
                  "The secret before the last change: people are found under both; empty: there was none"},
  };
};
BOOST_DESCRIBE_STRUCT(GdprSettings, (), (profile_key_secret, profile_key_secret_previous))

/// @throws std::invalid_argument that names the setting, for secrets that are missing or too short.
void check_settings(GdprSettings const& settings);

/// The secrets that subject keys may have been made with.
privacy::KeySecrets key_secrets(GdprSettings const& settings);

}  // namespace omnibus::gdpr
