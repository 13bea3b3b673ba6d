/// The settings that every worker has.
#pragma once

#include "config/config.hpp"
#include "config/process_settings.hpp"
#include "config/types.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>

namespace omnibus::engine {

/// How a worker joins its group: chosen by the broker's abilities, or fixed.
enum class Protocol { automatic, consumer, classic };
BOOST_DESCRIBE_ENUM(Protocol, automatic, consumer, classic)

struct WorkerSettings : config::ProcessSettings {
  std::string kafka_group;
  Protocol kafka_group_protocol = Protocol::automatic;
  std::string kafka_instance_id;
  std::chrono::milliseconds kafka_session_timeout{10'000};
  Secret replay_database_url;
  std::int32_t loops = 1;
  std::int32_t database_pool = 8;
  std::int32_t max_in_flight = 256;
  ByteSize max_queued_bytes = 64_MiB;
  ByteSize max_working_bytes = 256_MiB;
  ByteSize prefetch_bytes = 8_MiB;
  std::int32_t max_attempts = 8;
  std::chrono::milliseconds retry_base_delay{200};
  std::chrono::milliseconds retry_longest_delay{30'000};
  std::chrono::milliseconds commit_interval{500};
  std::chrono::milliseconds drain_deadline{20'000};

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"kafka_group", "Consumer group; empty: omnibus-<worker>"},
      config::Doc{"kafka_group_protocol", "automatic, consumer (KIP-848) or classic (cooperative-sticky)"},
      config::Doc{"kafka_instance_id", "Static member name; empty joins as a dynamic member"},
      config::Doc{"kafka_session_timeout", "A member silent for this long is removed from the group (classic protocol)",
                  1, 1800},
      config::Doc{"replay_database_url", "PostgreSQL for --replay, as the role omnibus_replay; empty: DATABASE_URL"},
      config::Doc{
          "loops",
          "Event loops in this process, each a member of the group with its own handler, threads and part of "
          "DATABASE_POOL, MAX_IN_FLIGHT, MAX_QUEUED_BYTES, MAX_WORKING_BYTES, PREFETCH_BYTES and the connections; a "
          "replay has one",
          1, 64},
      config::Doc{"database_pool", "Connections to PostgreSQL, each with a thread", 1, 256},
      config::Doc{"max_in_flight", "Keys handled at once", 1, 1'000'000},
      config::Doc{"max_queued_bytes", "Events held in memory, waiting or in flight", 65536, 1099511627776.0},
      config::Doc{
          "max_working_bytes",
          "What handlers hold beside the events: prompts, and answers as long as they may be. Once a tenant has "
          "half of it, or as much as is free, no more of its events start",
          1 << 20, 1099511627776.0},
      config::Doc{"prefetch_bytes",
                  "Bytes that the Kafka client may fetch ahead; for handlers that wait, 2 MiB at most", 65536,
                  1099511627776.0},
      config::Doc{"max_attempts", "Failed attempts after which an event is dead-lettered", 1, 1000},
      config::Doc{"retry_base_delay", "Upper end of the first back-off; doubles with each attempt", 0.001, 3600},
      config::Doc{"retry_longest_delay", "Upper end of every back-off", 0.001, 86400},
      config::Doc{"commit_interval", "Time between offset commits", 0.01, 60},
      config::Doc{"drain_deadline",
                  "Time that running events have when the worker stops or loses a partition; if it asks a model, 5 s "
                  "longer than LLM_DEADLINE at least",
                  0, 3600},
  };
};
BOOST_DESCRIBE_STRUCT(WorkerSettings, (config::ProcessSettings),
                      (kafka_group, kafka_group_protocol, kafka_instance_id, kafka_session_timeout, replay_database_url,
                       loops, database_pool, max_in_flight, max_queued_bytes, max_working_bytes, prefetch_bytes,
                       max_attempts, retry_base_delay, retry_longest_delay, commit_interval, drain_deadline))

}  // namespace omnibus::engine
