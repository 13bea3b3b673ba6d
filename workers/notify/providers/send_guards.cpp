#include "workers/notify/providers/send_guards.hpp"

#include "resilience/breaker_metrics.hpp"

namespace omnibus::notify {

SendGuards::SendGuards(ProviderSettings const& settings)
    : settings_{settings},
      breakers_{{settings.send.breaker_failures, settings.send.breaker_open_time}, &count_transition} {}

SendLimits& SendGuards::limits(std::string_view sender, std::string_view channel) {
  std::scoped_lock const lock{mutex_};
  auto found = limits_.find(sender);
  if (found == limits_.end())
    found = limits_.emplace(std::string{sender}, std::make_unique<SendLimits>(limits_of(channel))).first;
  return *found->second;
}

SendLimitSettings SendGuards::limits_of(std::string_view channel) const {
  auto const sms = channel == "sms";
  SendLimitSettings limits;
  limits.per_second = sms ? settings_.sms.rate_per_second : settings_.whatsapp.rate_per_second;
  limits.recipient_interval = sms ? settings_.sms.recipient_interval : settings_.whatsapp.recipient_interval;
  limits.longest_wait = settings_.send.longest_wait;
  return limits;
}

}  // namespace omnibus::notify
