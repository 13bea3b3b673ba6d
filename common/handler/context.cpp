#include "handler/context.hpp"

#include "time/time.hpp"

namespace omnibus {

std::int64_t Context::time_ms() {
  return parse_time_ms(event().time).value_or(timestamp_ms());
}

}  // namespace omnibus
