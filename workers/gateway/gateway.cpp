#include "workers/gateway/gateway.hpp"

#include "config/config.hpp"
#include "config/descriptors.hpp"
#include "http/admin_server.hpp"
#include "http/loop_watch.hpp"
#include "http/server.hpp"
#include "kafka/producer.hpp"
#include "kafka/topics.hpp"
#include "ledger/database_age.hpp"
#include "messaging/unsubscribe.hpp"
#include "observability/log.hpp"
#include "observability/metrics.hpp"
#include "postgres/pool.hpp"
#include "sealing/sealer.hpp"
#include "senders/sender_directory.hpp"
#include "workers/gateway/config.hpp"
#include "workers/gateway/door/admission.hpp"
#include "workers/gateway/door/connections.hpp"
#include "workers/gateway/door/guard.hpp"
#include "workers/gateway/door/waiting.hpp"
#include "workers/gateway/matches/match_routes.hpp"
#include "workers/gateway/matches/turn_notice.hpp"
#include "workers/gateway/privacy/privacy_routes.hpp"
#include "workers/gateway/replies/reply_tail.hpp"
#include "workers/gateway/routes/consents_route.hpp"
#include "workers/gateway/routes/events_route.hpp"
#include "workers/gateway/routes/messages_route.hpp"
#include "workers/gateway/routes/outside_events.hpp"
#include "workers/gateway/routes/stream_route.hpp"
#include "workers/gateway/routes/telemetry_route.hpp"
#include "workers/gateway/routes/transcript_route.hpp"
#include "workers/gateway/routes/unsubscribe_route.hpp"
#include "workers/gateway/webhooks/webhook_routes.hpp"

#include <csignal>
#include <cstdint>
#include <exception>
#include <memory>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/except>

namespace omnibus::gateway {
namespace asio = boost::asio;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view replies_topic = "chat.replies";
constexpr std::string_view turns_topic = "agent.turns";
constexpr std::size_t remembered_posts = 100'000;
constexpr std::uint64_t bytes_of_reply = 512;  // in memory, a guess: so many records are read at the start to fill it
constexpr auto health_interval = 1s;

void observe(http::Request const& request, std::string_view pattern, int status, std::chrono::nanoseconds took) {
  auto const known = request.method == "GET" || request.method == "POST" || request.method == "PUT";
  auto const route = pattern.empty() ? std::string_view("none") : pattern;
  auto& metrics = Metrics::process();
  metrics.counter<Metric::http_requests>(known ? request.method : "other", route, std::to_string(status)).add();
  if (route.ends_with("/events") && request.method == "GET") return;  // a stream lasts as long as its reader
  metrics.histogram<Metric::http_request_duration>(route).observe(std::chrono::duration<double>(took).count());
}

ProfileKeys profile_keys(WebhookSettings const& settings) {
  return {settings.profile_key_secret.reveal(), settings.webhook_region};
}

privacy::SubjectRules subject_rules(WebhookSettings const& settings) {
  return {
      {}, settings.webhook_region, settings.profile_key_secret.reveal(), settings.profile_key_secret_previous.reveal()};
}

/// All parts of one gateway. All but the blocking parts run on one event loop, on one thread.
class Gateway {
 public:
  explicit Gateway(Settings settings)
      : settings_(std::move(settings)),
        recent_(settings_.stream.recent.bytes),
        unseen_(remembered_posts, settings_.stream.unseen),
        rate_limit_(settings_.limits.rate_limit_per_second, settings_.limits.rate_limit_burst),
        pool_(pool_settings(settings_)),
        sealer_(sealing::MasterKeys(settings_.master)),
        age_(kafka_client(settings_), "gateway"),
        store_(pool_),
        authentication_(store_, settings_.token_cache),
        access_log_(store_, settings_.webhooks.profile_key_secret.reveal()),
        admission_(authentication_, rate_limit_, access_log_),
        waiting_(settings_.limits.max_waiting_requests,
                 [this](std::string worker, Uuid key) { return store_.handled(std::move(worker), key); }),
        producer_(std::make_unique<kafka::Producer>(kafka_client(settings_), producer_settings(settings_))),
        publisher_(*producer_, topics_, sealer_, pool_),
        idempotency_(store_, settings_.idempotency_lease, settings_.idempotency_wait),
        visitor_messages_(store_, recent_, unseen_),
        messages_(admission_, visitor_messages_, idempotency_, publisher_),
        consents_(admission_, store_, waiting_, publisher_),
        outside_events_(topics_, profile_keys(settings_.webhooks)),
        events_(admission_, store_, visitor_messages_, publisher_, outside_events_),
        transcript_(admission_, access_log_, store_, recent_, unseen_),
        telemetry_(admission_, store_),
        places_(settings_.stream.per_tenant),
        stream_(admission_, access_log_, store_, {recent_, feed_, unseen_}, places_, settings_.stream),
        unsubscribe_(admission_, store_, settings_.unsubscribe_secret.reveal()),
        matches_({admission_, access_log_, store_, pool_, waiting_,
                  [this](std::vector<Publisher::Event> events) { return publisher_.publish_all(std::move(events)); },
                  turn_feed_, places_, settings_.stream}),
        archive_keys_(settings_.master, settings_.webhooks.profile_key_secret.reveal()),
        privacy_({admission_, access_log_, store_, pool_, waiting_,
                  [this](Publisher::Event event) {
                    return publisher_.publish(std::move(event.envelope), std::move(event.data), std::move(event.key));
                  },
                  subject_rules(settings_.webhooks), archive_keys_}),
        senders_(pool_, settings_.webhooks.senders.sender_refresh),
        webhooks_(settings_.webhooks, admission_, publisher_, senders_) {}

  void run();

 private:
  void raise_descriptor_limit() const;
  void check_database();
  http::Router router();
  void add_webhooks(http::Router& router);
  Task<> knock(http::Request const& request);
  bool ready() const { return accepting_ && accepting_->ready() && kafka_->ready() && database_->ready(); }
  ReplyTail::Listener listener();
  ReplyTail::Listener turn_listener();
  Task<> watch(http::AdminServer& admin);
  Task<> stop_on_signal(http::Server& server);

  Settings settings_;
  kafka::TopicCatalog const& topics_ = kafka::TopicCatalog::built_in();
  RecentReplies recent_;
  ReplyFeed feed_;
  UnseenReplies unseen_;
  RateLimit rate_limit_;
  TransactionPool pool_;
  sealing::Sealer sealer_;
  ledger::DatabaseAge age_;
  Store store_;
  Authentication authentication_;
  AccessLog access_log_;
  Admission admission_;
  Waiting waiting_;
  std::unique_ptr<kafka::Producer> producer_;
  Publisher publisher_;
  Idempotency idempotency_;
  VisitorMessages visitor_messages_;
  MessagesRoute messages_;
  ConsentsRoute consents_;
  OutsideEvents outside_events_;
  EventsRoute events_;
  TranscriptRoute transcript_;
  TelemetryRoute telemetry_;
  StreamPlaces places_;
  StreamRoute stream_;
  UnsubscribeRoute unsubscribe_;
  ReplyFeed turn_feed_;
  MatchRoutes matches_;
  privacy::ArchiveKeys archive_keys_;
  PrivacyRoutes privacy_;
  senders::SenderDirectory senders_;
  WebhookRoutes webhooks_;
  using Check = std::shared_ptr<http::AdminServer::Check>;
  Check kafka_, database_, accepting_;
  // Last, so destroyed first: its coroutines refer to all of the above.
  asio::io_context context_{1};
  std::unique_ptr<ReplyTail> tail_, turn_tail_;
};

http::Router Gateway::router() {
  constexpr std::string_view messages = "/v1/chat/messages";
  constexpr std::string_view consents = "/v1/chat/consents";
  constexpr std::string_view events = "/v1/events";
  constexpr std::string_view transcript = "/v1/conversations/{id}";
  constexpr std::string_view stream = "/v1/conversations/{id}/events";
  constexpr std::string_view rollups = "/v1/telemetry";
  http::Router router;
  // For load balancers in front of gateways; the metrics port has them, too, with their reasons.
  router.get("/livez",
             [](http::Request const&) -> Task<http::Response> { co_return http::text_response(200, "ok\n"); });
  router.get("/readyz", [this](http::Request const&) -> Task<http::Response> {
    co_return ready() ? http::text_response(200, "ok\n") : http::text_response(503, "not ready\n");
  });
  router.post(messages, guarded(messages, [this](http::Request const& request) { return messages_.post(request); }));
  router.add_stream("POST", consents,
                    guarded_waiting(consents, [this](http::Request const& request, http::Stream& out) {
                      return consents_.post(request, out);
                    }));
  router.post(events, guarded(events, [this](http::Request const& request) { return events_.post(request); }));
  router.get(transcript,
             guarded(transcript, [this](http::Request const& request) { return transcript_.get(request); }));
  router.get(rollups, guarded(rollups, [this](http::Request const& request) { return telemetry_.get(request); }));
  router.add_stream("GET", stream, guarded_stream(stream, [this](http::Request const& request, http::Stream& out) {
                      return stream_.get(request, out);
                    }));
  unsubscribe_.add_to(router);
  matches_.add_to(router);
  privacy_.add_to(router);
  add_webhooks(router);
  router.before_body(guarded_door([this](http::Request const& request) { return knock(request); }));
  return router;
}

/// Whoever has no valid token gets no body read, and so no memory. A webhook is signed, and its signature covers the
/// body.
Task<> Gateway::knock(http::Request const& request) {
  if (!request.path.starts_with("/v1/") || request.path == messaging::unsubscribe_path) co_return;
  auto authentication = authentication_.principal(request.headers.find("Authorization"));
  co_await std::move(authentication);
}

void Gateway::add_webhooks(http::Router& router) {
  using Route = Task<http::Response> (WebhookRoutes::*)(http::Request const&);
  auto const add = [&](std::string method, std::string_view pattern, Route route) {
    router.add(std::move(method), pattern,
               guarded(pattern, [this, route](http::Request const& request) { return (webhooks_.*route)(request); }));
  };
  add("POST", "/webhooks/calls", &WebhookRoutes::post_call);
  add("POST", "/webhooks/sms", &WebhookRoutes::post_sms);
  add("POST", "/webhooks/sms/receipts", &WebhookRoutes::post_sms_receipt);
  add("POST", "/webhooks/whatsapp", &WebhookRoutes::post_whatsapp);
  add("GET", "/webhooks/whatsapp", &WebhookRoutes::get_whatsapp);
}

ReplyTail::Listener Gateway::listener() {
  ReplyTail::Listener listener;
  listener.begun = [this](std::vector<Cursor> const& from) {
    for (auto const& at : from) recent_.begin(at);
  };
  listener.arrived = [this](std::vector<Reply> replies) {
    auto const now = RecentReplies::Clock::now();
    for (auto& reply : replies) feed_.deliver(recent_.add(std::move(reply), now));
  };
  listener.caught_up = [this] { recent_.complete(); };
  return listener;
}

ReplyTail::Listener Gateway::turn_listener() {
  ReplyTail::Listener listener;
  listener.begun = [](std::vector<Cursor> const&) {};
  listener.arrived = [this](std::vector<Reply> notices) {
    for (auto& notice : notices) turn_feed_.deliver(std::make_shared<Reply const>(std::move(notice)));
  };
  listener.caught_up = [] {};
  return listener;
}

Task<> Gateway::watch(http::AdminServer& admin) {
  kafka_ = admin.add_check("kafka");
  database_ = admin.add_check("database");
  accepting_ = admin.add_check("accepting");
  accepting_->set(true);
  auto const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor);
  while (true) {
    bool answered = true;
    try {
      auto ping = store_.ping();
      co_await std::move(ping);
    } catch (std::exception const&) {
      answered = false;
    }
    database_->set(answered);
    kafka_->set(tail_->ready());
    // Checked often until both are ready: a script that starts a gateway waits for this.
    timer.expires_after(ready() ? std::chrono::milliseconds(health_interval) : 100ms);
    auto wait = timer.async_wait(asio::use_awaitable);
    co_await std::move(wait);
  }
}

Task<> Gateway::stop_on_signal(http::Server& server) {
  auto const executor = co_await asio::this_coro::executor;
  asio::signal_set signals(executor, SIGINT, SIGTERM);
  auto signal = signals.async_wait(asio::use_awaitable);
  co_await std::move(signal);
  accepting_->set(false);
  log::info("stopping", {{"connections", server.connections()}, {"streams", feed_.streams()}});
  auto stopping = server.stop(settings_.drain);
  co_await std::move(stopping);
  context_.stop();
}

/// Without its database the gateway starts all the same: until it knows who is sealed, it publishes no personal event.
/// It does not start with a database that has forgotten erasures.
void Gateway::check_database() {
  try {
    auto const connection = postgres::connect(pool_settings(settings_));
    sealer_.require_keys(*connection);
    age_.check(*connection);
  } catch (pqxx::broken_connection const& error) {
    log::warn("the sealed tenants are not known yet: check DATABASE_URL", {{"reason", error.what()}});
  } catch (kafka::Error const& error) {
    log::warn("the ledger of erasures is not read yet: check KAFKA_BROKERS", {{"reason", error.what()}});
  }
}

/// Each connection takes a descriptor.
void Gateway::raise_descriptor_limit() const {
  auto const needed = settings_.limits.max_connections + config::other_descriptors;
  auto const limit = config::raise_descriptor_limit(needed);
  if (limit >= needed) return;
  log::warn("too few file descriptors for MAX_CONNECTIONS: raise the hard limit (ulimit -Hn, LimitNOFILE) or lower it",
            {{"limit", limit}, {"max_connections", settings_.limits.max_connections}});
}

void Gateway::run() {
  raise_descriptor_limit();
  check_database();
  http::AdminServer admin(settings_.metrics_listen.host, settings_.metrics_listen.port);
  http::Server server(context_.get_executor(), server_settings(settings_), router(), observe);
  auto const connections = Metrics::process().gauge<Metric::http_connections>();
  auto const hook = Metrics::process().on_collect([&] { connections.set(static_cast<double>(server.connections())); });
  tail_ = std::make_unique<ReplyTail>(kafka_client(settings_), std::string(replies_topic),
                                      static_cast<std::int64_t>(settings_.stream.recent.bytes / bytes_of_reply),
                                      context_.get_executor(), listener(), read_reply,
                                      make_opener(sealer_, pool_settings(settings_)));
  turn_tail_ = std::make_unique<ReplyTail>(kafka_client(settings_), std::string(turns_topic), 0,
                                           context_.get_executor(), turn_listener(), read_turn_notice);
  server.start();
  log::info("http listening",
            {{"address", settings_.http_listen.host + ":" + std::to_string(server.port())}, {"port", server.port()}});
  asio::co_spawn(context_, watch(admin), asio::detached);
  asio::co_spawn(context_, sealing::keep_fresh(sealer_, pool_), asio::detached);
  asio::co_spawn(context_, ledger::watch(age_, pool_), ledger::leave);
  asio::co_spawn(context_, stop_on_signal(server), asio::detached);
  // Before the first webhook needs them; if the database is away, that one asks again.
  asio::co_spawn(context_, senders_.senders(), [](std::exception_ptr const&, senders::SharedSenders const&) {});
  {
    http::LoopWatch const watch(admin, context_, settings_.max_loop_stall);
    context_.run();
  }
  tail_->stop();
  turn_tail_->stop();
  producer_.reset();
  pool_.close();
  log::info("stopped");
}

}  // namespace

int run(int argc, char const* const* argv) {
  Settings settings;
  config::Catalogue catalogue;
  catalogue.add(settings);
  config::Program const program{"omnibus-gateway", "HTTP in, events out, replies streamed."};
  if (auto const status = config::configure(program, catalogue, argc, argv)) return *status;
  log::configure("gateway", settings.log_level);
  std::signal(SIGPIPE, SIG_IGN);
  try {
    Gateway gateway(std::move(settings));
    gateway.run();
    return 0;
  } catch (std::exception const& error) {
    log::error("the gateway cannot go on", {{"reason", error.what()}});
    return 1;
  }
}

}  // namespace omnibus::gateway
