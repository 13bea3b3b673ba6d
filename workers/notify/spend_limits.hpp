/// Limits against spending: countries, and messages to one person. Pure.
#pragma once

#include "config/config.hpp"

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/describe/class.hpp>

namespace omnibus::notify {

/// What a person was sent within the last 24 hours, over all channels.
struct SentToday {
  std::int64_t messages = 0;
  std::int64_t call_summaries = 0;  ///< of so many calls
};

/// A base of the notify worker's settings.
struct SpendLimitSettings {
  double spend_cap_per_day = 100;
  std::string sms_allowed_prefixes = "+250";
  std::int32_t messages_per_person_per_day = 100;
  std::int32_t call_summaries_per_person_per_day = 10;

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{
          "spend_cap_per_day",
          "Highest cost of one tenant's messages per day (UTC), unless pipeline.spend_cap has another one for it; "
          "0: no cap",
          0, 1e9},
      config::Doc{"sms_allowed_prefixes",
                  "How the numbers begin that get SMS, separated by commas, as +250,+256; others are skipped. *: all"},
      config::Doc{"messages_per_person_per_day",
                  "Messages to one person within 24 hours, over all channels; answers to STOP, START and HELP do not "
                  "count. 0: no limit",
                  0, 1'000'000},
      config::Doc{"call_summaries_per_person_per_day", "Call summaries to one person within 24 hours; 0: no limit", 0,
                  1'000'000},
  };
};
BOOST_DESCRIBE_STRUCT(SpendLimitSettings, (),
                      (spend_cap_per_day, sms_allowed_prefixes, messages_per_person_per_day,
                       call_summaries_per_person_per_day))

/// @throws std::invalid_argument if the prefixes cannot be read
void check(SpendLimitSettings const& settings);

/// Why a message may not be sent: country_not_allowed, person_limit or summary_limit; empty if it may. The answer to a
/// keyword may always be sent, except to another country.
/// @param recipient of an SMS in E.164
std::string_view limit_of(SpendLimitSettings const& settings, std::string_view channel, std::string_view kind,
                          std::string_view recipient, SentToday const& sent);

/// The setting behind a reason for which a message was skipped; empty if none is.
std::string_view setting_of_limit(std::string_view reason);

}  // namespace omnibus::notify
