/// Settings of the gateway.
#pragma once

#include "config/config.hpp"
#include "config/process_settings.hpp"
#include "kafka/client_settings.hpp"
#include "sealing/master_keys.hpp"
#include "workers/gateway/webhooks/webhook_settings.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {

/// Limits for one client and for all clients.
struct LimitSettings {
  static constexpr std::string_view prefix = "";
  ByteSize max_header_bytes = 16_KiB;
  ByteSize max_body_bytes = 256_KiB;
  std::uint32_t max_connections = 10'000;
  std::uint32_t max_waiting_requests = 200;
  std::chrono::milliseconds header_timeout{10'000};
  std::chrono::milliseconds body_timeout{15'000};
  std::chrono::milliseconds keep_alive_timeout{60'000};
  std::chrono::milliseconds write_timeout{10'000};
  double rate_limit_per_second = 1000;
  std::uint32_t rate_limit_burst = 2000;

  static constexpr std::array docs{
      config::Doc{"max_header_bytes", "Most bytes of one request's headers; above: 431", 1024, 1 << 20},
      config::Doc{"max_body_bytes", "Most bytes of one request's body; above: 413", 1024, 16 << 20},
      config::Doc{"max_connections", "Connections open at once; above: 503", 1, 1'000'000},
      config::Doc{"max_waiting_requests", "Requests that may wait for a worker at once (Prefer: wait); above: 503", 1,
                  100'000},
      config::Doc{"header_timeout", "From a request's first byte to its last header; then 408", 0.1, 600},
      config::Doc{"body_timeout", "For a request's whole body; then 408", 0.1, 600},
      config::Doc{"keep_alive_timeout", "Between two requests of a connection; then it is closed", 0.1, 3600},
      config::Doc{"write_timeout", "Time for the client to read a response, or a piece of a stream; then closed", 0.1,
                  600},
      config::Doc{"rate_limit_per_second", "Requests of one domain on average; above: 429; 0: no limit", 0, 1e9},
      config::Doc{"rate_limit_burst", "Requests of one domain at once", 1, 1e9},
  };
};
BOOST_DESCRIBE_STRUCT(LimitSettings, (),
                      (max_header_bytes, max_body_bytes, max_connections, max_waiting_requests, header_timeout,
                       body_timeout, keep_alive_timeout, write_timeout, rate_limit_per_second, rate_limit_burst))

/// Streams of server-sent events.
struct StreamSettings {
  std::uint32_t per_tenant = 1000;
  std::chrono::milliseconds heartbeat{15'000};
  ByteSize max_buffer = 256_KiB;
  ByteSize recent = 32_MiB;
  std::chrono::milliseconds unseen{60'000};
  std::chrono::milliseconds look_back{2'000};
  std::chrono::milliseconds open_wait{3'000};

  static constexpr std::array docs{
      config::Doc{"per_tenant", "Streams that one tenant may have open at once; above: 429", 1, 1'000'000},
      config::Doc{"heartbeat", "After this time without data, a stream sends a comment", 0.1, 600},
      config::Doc{"max_buffer", "Bytes that may wait for one slow reader; above, its stream ends", 4096, 64 << 20},
      config::Doc{"recent", "Bytes of the newest replies kept in memory, from which streams resume", 65536, 1e11},
      config::Doc{"unseen", "A stream opened within this time after a post begins with the replies to it", 0, 3600},
      config::Doc{"look_back", "How far back a stream begins without a position and without a post to this gateway", 0,
                  3600},
      config::Doc{"open_wait", "How long a stream waits for its conversation to be stored; then 404", 0, 60},
  };
};
BOOST_DESCRIBE_STRUCT(StreamSettings, (), (per_tenant, heartbeat, max_buffer, recent, unseen, look_back, open_wait))

/// All settings of the gateway.
struct Settings : config::ProcessSettings {
  Settings() { kafka.client_id = "omnibus-gateway"; }

  ListenAddress http_listen{"127.0.0.1", 8080};
  kafka::ClientSettings kafka;
  std::uint32_t database_connections = 8;
  std::chrono::milliseconds database_timeout{3'000};
  std::chrono::milliseconds publish_timeout{5'000};
  std::chrono::milliseconds token_cache{10'000};
  std::chrono::milliseconds idempotency_lease{15'000};
  std::chrono::milliseconds idempotency_wait{10'000};
  std::chrono::milliseconds drain{10'000};
  Secret unsubscribe_secret;
  sealing::MasterKeySettings master;
  LimitSettings limits;
  StreamSettings stream;
  WebhookSettings webhooks;

  static constexpr std::array docs{
      config::Doc{"http_listen", "HOST:PORT of the API; port 0 takes a free one"},
      config::Doc{"database_connections", "Connections to PostgreSQL", 1, 1000},
      config::Doc{"database_timeout", "Time for one statement, and to connect", 0.1, 60},
      config::Doc{"publish_timeout", "How long Kafka may take to acknowledge an event; then 503", 0.1, 300},
      config::Doc{"token_cache", "How long a looked-up token is cached, and so how long a revoked one may still work",
                  0, 3600},
      config::Doc{"idempotency_lease", "How long a request may hold its Idempotency-Key before another takes over", 1,
                  600},
      config::Doc{"idempotency_wait", "How long a request waits for the holder of its Idempotency-Key; then 503", 0.1,
                  600},
      config::Doc{"drain", "How long a stop waits for running requests", 0, 600},
      config::Doc{"unsubscribe_secret",
                  "Signs the addresses that end a person's reports by e-mail; the report worker has the same. Empty: "
                  "they are refused"},
  };
};
BOOST_DESCRIBE_STRUCT(Settings, (config::ProcessSettings),
                      (http_listen, kafka, database_connections, database_timeout, publish_timeout, token_cache,
                       idempotency_lease, idempotency_wait, drain, unsubscribe_secret, master, limits, stream,
                       webhooks))

}  // namespace omnibus::gateway
