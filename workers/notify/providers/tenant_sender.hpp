/// A provider as one tenant's sender.
#pragma once

#include "senders/sender.hpp"
#include "workers/notify/providers/provider.hpp"

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::notify {

/// The secrets that a sender of this provider needs for sending, by their roles.
std::span<std::string_view const> roles_of(std::string_view provider);

/// Sends as the provider does, and says whose sender it is.
class TenantSender final : public Provider {
 public:
  TenantSender(std::unique_ptr<Provider> inner, Uuid const& id) : inner_{std::move(inner)}, id_{id} {}

  std::string_view name() const override { return inner_->name(); }
  std::string_view channel() const override { return inner_->channel(); }
  Capabilities capabilities() const override { return inner_->capabilities(); }
  std::optional<Uuid> sender_id() const override { return id_; }
  std::int64_t unit_price_micros() const override { return inner_->unit_price_micros(); }
  Task<std::optional<Refused>> await_turn(OutboundMessage const& message, Pause const& pause) override {
    return inner_->await_turn(message, pause);
  }
  Task<SendResult> send(OutboundMessage const& message) override { return inner_->send(message); }
  Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) override {
    return inner_->look_up(message, sent_at);
  }

 private:
  std::unique_ptr<Provider> inner_;
  Uuid id_;
};

/// A tenant's sender whose secrets are missing, or whose data are invalid: its messages wait until an operator acts.
/// They never go out from another sender.
class UnusableSender final : public Provider {
 public:
  /// @param reason safe to log
  UnusableSender(senders::Sender const& sender, std::string reason)
      : id_{sender.id}, name_{sender.provider}, channel_{sender.channel}, reason_{std::move(reason)} {}

  std::string_view name() const override { return name_; }
  std::string_view channel() const override { return channel_; }
  Capabilities capabilities() const override { return {}; }
  std::optional<Uuid> sender_id() const override { return id_; }
  std::int64_t unit_price_micros() const override { return 0; }
  Task<std::optional<Refused>> await_turn(OutboundMessage const& message, Pause const& pause) override;
  Task<SendResult> send(OutboundMessage const& message) override;
  Task<LookUp> look_up(OutboundMessage const& message, std::chrono::system_clock::time_point sent_at) override;

 private:
  Refused refusal() const;

  Uuid id_;
  std::string name_, channel_, reason_;
};

}  // namespace omnibus::notify
