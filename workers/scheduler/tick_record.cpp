#include "workers/scheduler/tick_record.hpp"

#include "events/tick.hpp"
#include "json/encode.hpp"
#include "kafka/cloud_event.hpp"
#include "time/time.hpp"

#include <string>

namespace omnibus::scheduler {
namespace {

/// The namespace of ticks' ids: "omnib" "u" "ticks" in its bytes.
constexpr Uuid tick_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x74, 0x69, 0x63, 0x6b, 0x73, 0x00}};
constexpr std::string_view tick_source = "/omnibus/scheduler";
constexpr std::string_view separator{"\0", 1};

}  // namespace

Uuid tick_id(std::string_view name, std::int64_t due_ms) {
  return name_uuid(tick_space, {name, separator, format_time_ms(due_ms)});
}

kafka::Record tick_record(std::string_view name, std::int64_t due_ms, std::int64_t missed) {
  auto envelope = originate(tick_source, "omnibus." + std::string{name} + ".v1");
  envelope.id = to_string(tick_id(name, due_ms));
  return to_binary_record(envelope, json::encode(Tick{format_time_ms(due_ms), missed}), std::string{ticks_topic},
                          std::string{name});
}

}  // namespace omnibus::scheduler
