/// The settings of the notify worker.
#pragma once

#include "config/config.hpp"
#include "sessions/opt_out.hpp"
#include "workers/notify/ledger.hpp"
#include "workers/notify/providers/provider_settings.hpp"
#include "workers/notify/spend_limits.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::notify {

struct NotifySettings : ProviderSettings, SpendLimitSettings, sessions::KeySecrets {
  DeliveryPolicy sms_delivery_policy = DeliveryPolicy::at_most_once;
  DeliveryPolicy whatsapp_delivery_policy = DeliveryPolicy::at_most_once;
  std::string whatsapp_template_name;
  std::string whatsapp_template_language = "en";
  std::int32_t whatsapp_template_characters = 1024;
  std::chrono::milliseconds claim_lease{45'000};
  std::int32_t send_max_attempts = 6;
  std::chrono::milliseconds send_give_up_after{86'400'000};

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"sms_delivery_policy",
                  "If it is unknown whether an SMS was accepted: at_most_once leaves it in doubt, at_least_once sends "
                  "it again"},
      config::Doc{"whatsapp_delivery_policy", "The same for a WhatsApp message"},
      config::Doc{"whatsapp_template_name",
                  "Approved template with one parameter, for people who have not written for 24 hours; empty: they are "
                  "skipped"},
      config::Doc{"whatsapp_template_language", "Language of the approved template"},
      config::Doc{"whatsapp_template_characters",
                  "Characters for the parameter: 1,024 without the template's own words", 1, 1024},
      config::Doc{"claim_lease",
                  "How long the deliveries of a crashed worker wait for another; longer than SEND_DEADLINE by the time "
                  "for recording the result",
                  1, 3600},
      config::Doc{"send_max_attempts", "Attempts after which a refused message has failed; below MAX_ATTEMPTS", 1,
                  1000},
      config::Doc{"send_give_up_after",
                  "A message held back by an unavailable provider or by our limits fails this long after it was "
                  "requested; no attempt is counted until then",
                  1, 2'592'000},
  };
};
BOOST_DESCRIBE_STRUCT(NotifySettings, (ProviderSettings, SpendLimitSettings, sessions::KeySecrets),
                      (sms_delivery_policy, whatsapp_delivery_policy, whatsapp_template_name,
                       whatsapp_template_language, whatsapp_template_characters, claim_lease, send_max_attempts,
                       send_give_up_after))

/// @param max_attempts of the engine, after which it gives a request up.
/// @throws std::invalid_argument naming settings that contradict each other.
void check(NotifySettings const& settings, std::uint32_t max_attempts);

}  // namespace omnibus::notify
