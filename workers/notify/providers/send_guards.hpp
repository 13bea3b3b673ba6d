/// The rate limits and circuit breakers of a process's senders.
#pragma once

#include "resilience/circuit_breaker.hpp"
#include "workers/notify/providers/provider_settings.hpp"
#include "workers/notify/providers/send_limits.hpp"

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

namespace omnibus::notify {

/// One of each for every provider of the settings and every tenant's sender, by name. The event loops of a process
/// share them, so that a limit is the process's. Any thread may use it.
class SendGuards {
 public:
  explicit SendGuards(ProviderSettings const& settings);

  /// A sender's limits. They stay when its secrets change, and live as long as this object.
  /// @param channel sms or whatsapp, whose settings apply
  SendLimits& limits(std::string_view sender, std::string_view channel);
  /// Its breaker, also as metrics; lives as long as this object.
  CircuitBreaker& breaker(std::string_view sender) { return breakers_.at(sender); }

 private:
  SendLimitSettings limits_of(std::string_view channel) const;

  ProviderSettings const settings_;
  CircuitBreakers breakers_;
  std::mutex mutex_;
  std::map<std::string, std::unique_ptr<SendLimits>, std::less<>> limits_;
};

}  // namespace omnibus::notify
