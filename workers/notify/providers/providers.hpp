/// The provider of each channel.
#pragma once

#include "http/client.hpp"
#include "resilience/circuit_breaker.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/provider_settings.hpp"

#include <memory>
#include <string_view>

#include <boost/asio/io_context.hpp>

namespace omnibus::notify {

/// At most one provider for each channel.
class Providers {
 public:
  virtual ~Providers() = default;

  /// The provider of that channel; null if there is none. Any thread may ask.
  virtual Provider* find(std::string_view channel) const = 0;
};

/// Those with credentials in the settings, each behind its limits and its breaker (also as metrics). Use it on
/// the one thread that runs its context, which must outlive it.
class ConfiguredProviders final : public Providers {
 public:
  /// @throws std::invalid_argument naming the invalid setting
  ConfiguredProviders(boost::asio::io_context& context, ProviderSettings const& settings);

  Provider* find(std::string_view channel) const override;

 private:
  std::unique_ptr<Provider> guarded(std::unique_ptr<Provider> provider, double rate_per_second,
                                    std::chrono::milliseconds recipient_interval);

  SendSettings settings_;
  CircuitBreakers breakers_;
  std::unique_ptr<Provider> whatsapp_;
  std::unique_ptr<Provider> sms_;
  http::Client client_;  // last member: its end destroys the coroutines that use the others
};

}  // namespace omnibus::notify
