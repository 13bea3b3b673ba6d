/// The provider of each tenant's channels.
#pragma once

#include "http/client.hpp"
#include "senders/secret_folder.hpp"
#include "senders/sender_directory.hpp"
#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/provider_settings.hpp"
#include "workers/notify/providers/send_guards.hpp"

#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>

#include <boost/asio/io_context.hpp>

namespace omnibus::notify {

/// At most one provider for each tenant and channel.
class Providers {
 public:
  virtual ~Providers() = default;

  /// Brings the tenants' senders up to date. Call it before find(). @throws what reading them throws
  virtual Task<> refresh() { co_return; }

  /// The provider through which the tenant's messages of that channel go; null if there is none. It stays valid.
  virtual Provider* find(std::string_view domain, std::string_view channel) const = 0;
};

/// Those of the settings, for tenants without a sender, and one for each tenant's sender; each behind the
/// limits and the breaker (also as metrics) of its provider, account and sender. Use it on the one thread that runs its
/// context, which must outlive it.
class ConfiguredProviders final : public Providers {
 public:
  /// @param directory null: no tenant has a sender of its own
  /// @param guards shared with the other loops of the process; null: its own
  /// @throws std::invalid_argument naming the invalid setting
  ConfiguredProviders(boost::asio::io_context& context, ProviderSettings const& settings,
                      std::unique_ptr<senders::SenderDirectory> directory = nullptr,
                      std::shared_ptr<SendGuards> guards = nullptr);

  Task<> refresh() override;
  Provider* find(std::string_view domain, std::string_view channel) const override;

  /// Uses these senders from now on; their secrets are read anew.
  void use(senders::SharedSenders senders);

 private:
  std::unique_ptr<Provider> guarded(std::unique_ptr<Provider> provider, std::string_view breaker);
  std::unique_ptr<Provider> build(senders::Sender const& sender, std::map<std::string, Secret> const& secrets);
  std::unique_ptr<Provider> make(senders::Sender const& sender, std::map<std::string, Secret> const& secrets);
  Provider* provider_of(senders::Sender const& sender);

  ProviderSettings settings_;
  std::shared_ptr<SendGuards> guards_;
  senders::SecretFolder secrets_;
  std::unique_ptr<senders::SenderDirectory> directory_;
  std::unique_ptr<Provider> whatsapp_;
  std::unique_ptr<Provider> sms_;
  senders::SharedSenders senders_;
  std::chrono::steady_clock::time_point used_at_{};
  std::unordered_map<Uuid, Provider*> of_senders_;
  /// By everything that it is made of. None is removed, as messages may be on their way: a sender changes rarely.
  std::map<std::string, std::unique_ptr<Provider>> built_;
  http::Client client_;  // last member: its end destroys the coroutines that use the others
};

}  // namespace omnibus::notify
