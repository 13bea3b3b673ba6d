#include "workers/notify/providers/providers.hpp"

#include "hash/hash.hpp"
#include "observability/log.hpp"
#include "workers/notify/providers/guarded_provider.hpp"
#include "workers/notify/providers/mtn_sms.hpp"
#include "workers/notify/providers/tenant_sender.hpp"
#include "workers/notify/providers/twilio_sms.hpp"
#include "workers/notify/providers/whatsapp_cloud.hpp"

#include <stdexcept>
#include <utility>

#include <fmt/format.h>

namespace omnibus::notify {
namespace {

http::HttpClientSettings http_settings(SendSettings const& settings) {
  http::HttpClientSettings http;
  http.max_connections_per_host = static_cast<std::size_t>(settings.connections);
  // Shorter than servers keep them: a message written to a closing connection is in doubt.
  http.keep_alive_timeout = std::chrono::seconds(4);
  return http;
}

Secret const& secret_of(std::map<std::string, Secret> const& secrets, std::string const& role) {
  static Secret const none;
  auto const found = secrets.find(role);
  return found == secrets.end() ? none : found->second;
}

/// Changes whenever anything changes that the provider of a sender is made of.
std::string version_of(senders::Sender const& sender, std::map<std::string, Secret> const& secrets) {
  auto text = fmt::format("{} {} {} {}", to_string(sender.id), sender.provider, sender.account, sender.sender);
  for (auto const& [role, secret] : secrets) text += " " + role + " " + to_hex(sha256(secret.reveal()));
  return text;
}

}  // namespace

ConfiguredProviders::ConfiguredProviders(boost::asio::io_context& context, ProviderSettings const& settings,
                                         std::unique_ptr<senders::SenderDirectory> directory,
                                         std::shared_ptr<SendGuards> guards)
    : settings_(settings),
      guards_(guards ? std::move(guards) : std::make_shared<SendGuards>(settings)),
      secrets_(settings.sender_secrets),
      directory_(std::move(directory)),
      client_(context, http_settings(settings.send)) {
  auto const deadline = settings.send.deadline;
  if (!settings.whatsapp.access_token.empty())
    whatsapp_ =
        guarded(std::make_unique<WhatsAppCloud>(client_, settings.whatsapp, deadline), WhatsAppCloud::provider_name);
  auto const& sms = settings.sms;
  if (sms.provider == SmsProvider::mtn && !settings.mtn_sms.api_key.empty()) {
    sms_ = guarded(std::make_unique<MtnSms>(client_, settings.mtn_sms, sms.segment_price_micros, deadline),
                   MtnSms::provider_name);
  } else if (sms.provider == SmsProvider::twilio && !settings.twilio.account_sid.empty()) {
    sms_ = guarded(std::make_unique<TwilioSms>(client_, settings.twilio, sms.segment_price_micros, deadline),
                   TwilioSms::provider_name);
  }
}

std::unique_ptr<Provider> ConfiguredProviders::guarded(std::unique_ptr<Provider> provider, std::string_view breaker) {
  auto& limits = guards_->limits(breaker, provider->channel());
  return std::make_unique<GuardedProvider>(std::move(provider), limits, guards_->breaker(breaker));
}

Task<> ConfiguredProviders::refresh() {
  if (directory_ == nullptr) co_return;
  auto reading = directory_->senders();
  auto senders = co_await std::move(reading);
  auto const now = std::chrono::steady_clock::now();
  if (senders == senders_ && now - used_at_ < settings_.sender_refresh) co_return;
  used_at_ = now;
  use(std::move(senders));
}

void ConfiguredProviders::use(senders::SharedSenders senders) {
  senders_ = std::move(senders);
  of_senders_.clear();
  for (auto const& sender : senders_->all()) of_senders_.emplace(sender.id, provider_of(sender));
}

Provider* ConfiguredProviders::provider_of(senders::Sender const& sender) {
  std::map<std::string, Secret> secrets;
  for (auto const role : roles_of(sender.provider))
    if (auto secret = secrets_.read(sender.secret(role))) secrets.emplace(role, *std::move(secret));
  auto const version = version_of(sender, secrets);
  auto const found = built_.find(version);
  if (found != built_.end()) return found->second.get();
  return built_.emplace(version, build(sender, secrets)).first->second.get();
}

std::unique_ptr<Provider> ConfiguredProviders::build(senders::Sender const& sender,
                                                     std::map<std::string, Secret> const& secrets) {
  std::string reason;
  for (auto const role : roles_of(sender.provider))
    if (!secrets.contains(std::string(role)))
      reason = fmt::format("SENDER_SECRETS has no {} for its {}", sender.secret(role), role);
  try {
    if (reason.empty()) {
      auto const breaker = fmt::format("{}/{}", sender.provider, to_string(sender.id));
      return guarded(std::make_unique<TenantSender>(make(sender, secrets), sender.id), breaker);
    }
  } catch (std::invalid_argument const& error) {
    reason = error.what();
  }
  log::warn("a tenant's sender cannot be used, and its messages wait",
            {{"domain", sender.domain}, {"sender_id", to_string(sender.id)}, {"reason", reason}});
  return std::make_unique<UnusableSender>(sender, reason);
}

std::unique_ptr<Provider> ConfiguredProviders::make(senders::Sender const& sender,
                                                    std::map<std::string, Secret> const& secrets) {
  auto const deadline = settings_.send.deadline;
  if (sender.provider == WhatsAppCloud::provider_name) {
    auto whatsapp = settings_.whatsapp;
    whatsapp.phone_number_id = sender.sender;
    whatsapp.access_token = secret_of(secrets, "access_token");
    return std::make_unique<WhatsAppCloud>(client_, std::move(whatsapp), deadline);
  }
  auto const price = settings_.sms.segment_price_micros;
  if (sender.provider == TwilioSms::provider_name) {
    auto twilio = settings_.twilio;
    twilio.account_sid = sender.account;
    twilio.from = sender.sender;
    twilio.auth_token = secret_of(secrets, "auth_token");
    return std::make_unique<TwilioSms>(client_, std::move(twilio), price, deadline);
  }
  auto mtn = settings_.mtn_sms;
  mtn.sender_id = sender.sender;
  mtn.service_code = sender.account;
  mtn.api_key = secret_of(secrets, "api_key");
  mtn.api_secret = secret_of(secrets, "api_secret");
  mtn.honours_key = false;  // an agreement of the account of the settings
  return std::make_unique<MtnSms>(client_, std::move(mtn), price, deadline);
}

Provider* ConfiguredProviders::find(std::string_view domain, std::string_view channel) const {
  if (auto const* const sender = senders_ ? senders_->of_tenant(domain, channel) : nullptr)
    return of_senders_.at(sender->id);
  for (auto const* provider : {&whatsapp_, &sms_}) {
    if (*provider && (*provider)->channel() == channel) return provider->get();
  }
  return nullptr;
}

}  // namespace omnibus::notify
