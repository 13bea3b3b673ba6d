/// The gateway's settings, as the settings of its clients.
#pragma once

#include "http/server.hpp"
#include "kafka/client_settings.hpp"
#include "kafka/producer.hpp"
#include "postgres/pool.hpp"
#include "workers/gateway/config.hpp"

namespace omnibus::gateway {

/// With a client id that names this process.
kafka::ClientSettings kafka_client(Settings const& settings);
kafka::ProducerSettings producer_settings(Settings const& settings);
PoolSettings pool_settings(Settings const& settings);
http::ServerSettings server_settings(Settings const& settings);

}  // namespace omnibus::gateway
