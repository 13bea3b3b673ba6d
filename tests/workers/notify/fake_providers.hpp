/// Providers that say what a test tells them to.
#pragma once

#include "workers/notify/providers/provider.hpp"
#include "workers/notify/providers/providers.hpp"

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::notify::test {

/// What a provider is to say, and what it was given; outlives it.
struct ProviderScript {
  Capabilities abilities{};
  std::int64_t price_micros = 0;
  std::optional<Refused> no_turn;     ///< while set, no message gets its turn
  std::optional<SendResult> answer;   ///< to every message; without it each is accepted under the next id
  LookUp found{};                     ///< what became of a message, to whoever asks
  std::chrono::milliseconds wait{0};  ///< until each message's turn
  std::function<void()> on_turn;      ///< called when a message asks for its turn; may be empty
  std::function<void()> on_wait;      ///< called while a message waits for its turn; may be empty
  std::function<void()> on_send;      ///< may be empty
  std::vector<OutboundMessage> sent;
};

class FakeProvider final : public Provider {
 public:
  FakeProvider(std::string channel, ProviderScript& script) : channel_{std::move(channel)}, script_{script} {}

  std::string_view name() const override { return channel_ == "sms" ? "mtn_sms" : "whatsapp_cloud"; }
  std::string_view channel() const override { return channel_; }
  Capabilities capabilities() const override { return script_.abilities; }
  std::int64_t unit_price_micros() const override { return script_.price_micros; }

  Task<std::optional<Refused>> await_turn(OutboundMessage const&, Pause const& pause) override {
    if (script_.on_turn) script_.on_turn();
    if (script_.wait.count() > 0) {
      auto pausing = pause(script_.wait);
      co_await std::move(pausing);
      if (script_.on_wait) script_.on_wait();
    }
    co_return script_.no_turn;
  }
  Task<SendResult> send(OutboundMessage const& message) override {
    if (script_.on_send) script_.on_send();
    script_.sent.push_back(message);
    if (script_.answer) co_return *script_.answer;
    co_return Accepted{channel_ + std::to_string(script_.sent.size())};
  }
  Task<LookUp> look_up(OutboundMessage const&, std::chrono::system_clock::time_point) override {
    co_return script_.found;
  }

 private:
  std::string const channel_;
  ProviderScript& script_;
};

/// One provider for each channel that has a script.
class FakeProviders final : public Providers {
 public:
  explicit FakeProviders(std::map<std::string, ProviderScript, std::less<>>& scripts) {
    for (auto& [channel, script] : scripts)
      providers_.emplace(channel, std::make_unique<FakeProvider>(channel, script));
  }

  Provider* find(std::string_view, std::string_view channel) const override {
    auto const found = providers_.find(channel);
    return found == providers_.end() ? nullptr : found->second.get();
  }

 private:
  std::map<std::string, std::unique_ptr<FakeProvider>, std::less<>> providers_;
};

}  // namespace omnibus::notify::test
