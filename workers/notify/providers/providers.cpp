#include "workers/notify/providers/providers.hpp"

#include "observability/metrics.hpp"
#include "workers/notify/providers/guarded_provider.hpp"
#include "workers/notify/providers/mtn_sms.hpp"
#include "workers/notify/providers/twilio_sms.hpp"
#include "workers/notify/providers/whatsapp_cloud.hpp"

namespace omnibus::notify {
namespace {

http::HttpClientSettings http_settings(SendSettings const& settings) {
  http::HttpClientSettings http;
  http.max_connections_per_host = static_cast<std::size_t>(settings.connections);
  // Shorter than servers keep them: a message written to a closing connection is in doubt.
  http.keep_alive_timeout = std::chrono::seconds(4);
  return http;
}

void count(std::string const& breaker, CircuitBreaker::State entered) {
  auto& metrics = Metrics::process();
  metrics.gauge<Metric::breaker_state>(breaker).set(static_cast<double>(entered));
  metrics.counter<Metric::breaker_transitions>(breaker, to_string(entered)).add();
}

}  // namespace

ConfiguredProviders::ConfiguredProviders(boost::asio::io_context& context, ProviderSettings const& settings)
    : settings_(settings.send),
      breakers_({settings.send.breaker_failures, settings.send.breaker_open_time}, &count),
      client_(context, http_settings(settings.send)) {
  auto const& whatsapp = settings.whatsapp;
  if (!whatsapp.access_token.empty()) {
    whatsapp_ = guarded(std::make_unique<WhatsAppCloud>(client_, whatsapp, settings_.deadline),
                        whatsapp.rate_per_second, whatsapp.recipient_interval);
  }
  auto const& sms = settings.sms;
  std::unique_ptr<Provider> carrier;
  if (sms.provider == SmsProvider::mtn && !settings.mtn_sms.api_key.empty()) {
    carrier = std::make_unique<MtnSms>(client_, settings.mtn_sms, sms.segment_price_micros, settings_.deadline);
  } else if (sms.provider == SmsProvider::twilio && !settings.twilio.account_sid.empty()) {
    carrier = std::make_unique<TwilioSms>(client_, settings.twilio, sms.segment_price_micros, settings_.deadline);
  }
  if (carrier) sms_ = guarded(std::move(carrier), sms.rate_per_second, sms.recipient_interval);
}

std::unique_ptr<Provider> ConfiguredProviders::guarded(std::unique_ptr<Provider> provider, double rate_per_second,
                                                       std::chrono::milliseconds recipient_interval) {
  SendLimitSettings limits;
  limits.per_second = rate_per_second;
  limits.recipient_interval = recipient_interval;
  limits.longest_wait = settings_.longest_wait;
  auto& breaker = breakers_.at(provider->name());
  return std::make_unique<GuardedProvider>(std::move(provider), limits, breaker);
}

Provider* ConfiguredProviders::find(std::string_view channel) const {
  for (auto const* provider : {&whatsapp_, &sms_}) {
    if (*provider && (*provider)->channel() == channel) return provider->get();
  }
  return nullptr;
}

}  // namespace omnibus::notify
