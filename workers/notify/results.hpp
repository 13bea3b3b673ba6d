/// Reports deliveries: events, log lines and counts.
#pragma once

#include "handler/unit_of_work.hpp"
#include "observability/log.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::notify {

/// A delivery that entered a state of pipeline.delivery.
struct Result {
  std::string state;
  std::string domain;
  std::string request_id;
  Uuid profile_id{};
  std::string channel;
  std::string provider;
  std::string provider_message_id;
  std::optional<std::int64_t> segments{};
  std::string error_code;
  std::string reason;
  std::string occurred_at;  ///< RFC 3339; of delivered and read
};

/// Publishes the event of the state, if it has one.
void publish(UnitOfWork& unit, Result const& result);

/// Logs and counts it, after the commit.
void tell(log::EventFields const& event, Result const& result);

}  // namespace omnibus::notify
