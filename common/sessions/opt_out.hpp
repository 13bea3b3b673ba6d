/// Opt-outs that outlive profiles: the table `suppressions`, by subject key.
#pragma once

#include "config/config.hpp"
#include "config/types.hpp"
#include "sessions/profile.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::sessions {

/// The secrets that make subject keys of numbers and WhatsApp ids. Without them a person is known by the keys of
/// inbound records alone. The base of a worker's settings.
struct KeySecrets {
  Secret profile_key_secret;
  Secret profile_key_secret_previous;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"profile_key_secret",
                  "The gateway's: finds a person's opt-out by their number even if it is older than their profile"},
      config::Doc{"profile_key_secret_previous",
                  "The gateway's secret before it was changed: an opt-out that was kept with it still counts"},
  };
};
BOOST_DESCRIBE_STRUCT(KeySecrets, (), (profile_key_secret, profile_key_secret_previous))

/// Every key that the secrets make of the person, those of the present secret first; each key once.
std::vector<std::string> subject_keys(KeySecrets const& secrets, std::string_view domain,
                                      PersonIdentity const& identity);

// The functions below work in the caller's transaction and throw what libpqxx throws. The keys are lower-case hex, as
// SubjectKey::text().

/// Keeps that the person wants no messages on the channel, also of a person without a profile. Nothing happens for an
/// unknown tenant, or for voice.
void suppress(pqxx::transaction_base& transaction, std::string_view domain, Channel channel,
              std::vector<std::string> const& keys);

/// The person wants messages on the channel again. Only they may say so.
void lift_suppression(pqxx::transaction_base& transaction, std::string_view domain, Channel channel,
                      std::vector<std::string> const& keys);

}  // namespace omnibus::sessions
