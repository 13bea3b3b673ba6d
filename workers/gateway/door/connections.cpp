#include "workers/gateway/door/connections.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include <pqxx/nontransaction>
#include <unistd.h>

namespace omnibus::gateway {

kafka::ClientSettings kafka_client(Settings const& settings) {
  char host[256] = "";
  gethostname(host, sizeof host - 1);
  auto client = settings.kafka;
  client.client_id += "-" + std::string(host) + "-" + std::to_string(getpid());
  return client;
}

kafka::ProducerSettings producer_settings(Settings const& settings) {
  kafka::ProducerSettings producer;
  producer.message_timeout = settings.publish_timeout;
  return producer;
}

PoolSettings pool_settings(Settings const& settings) {
  PoolSettings pool;
  pool.url = settings.database_url.reveal();
  pool.size = settings.database_connections;
  pool.max_queued = 4096;
  pool.max_queued_of_share = 1024;
  pool.max_wait = settings.database_timeout;
  pool.application_name = "omnibus-gateway";
  pool.statement_timeout_ms = settings.database_timeout.count();
  // All writes are claims on Idempotency-Keys: if the last few are lost in a crash of the server, their events are
  // published again with the same ids. So a request need not wait for a flush to disk.
  pool.on_connect = [](pqxx::connection& connection) {
    pqxx::nontransaction(connection).exec("SET synchronous_commit = off");
  };
  pool.connect_timeout_s = std::max<std::int64_t>(2, settings.database_timeout.count() / 1000);  // libpq's least is 2
  return pool;
}

http::ServerSettings server_settings(Settings const& settings) {
  http::ServerSettings server;
  server.address = settings.http_listen.host;
  server.port = settings.http_listen.port;
  server.max_header_bytes = settings.limits.max_header_bytes.bytes;
  server.max_body_bytes = settings.limits.max_body_bytes.bytes;
  server.max_connections = settings.limits.max_connections;
  server.header_timeout = settings.limits.header_timeout;
  server.body_timeout = settings.limits.body_timeout;
  server.keep_alive_timeout = settings.limits.keep_alive_timeout;
  server.write_timeout = settings.limits.write_timeout;
  return server;
}

}  // namespace omnibus::gateway
