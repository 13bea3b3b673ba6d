#include "workers/gateway/routes/stream_places.hpp"

#include "workers/gateway/door/refusal.hpp"

#include <chrono>
#include <utility>

namespace omnibus::gateway {

http::Headers event_stream_headers() {
  return {{"Content-Type", "text/event-stream"},
          {"Cache-Control", "no-store"},
          {"X-Content-Type-Options", "nosniff"},
          {"X-Accel-Buffering", "no"}};
}

StreamPlaces::StreamPlaces(std::uint32_t per_tenant)
    : per_tenant_(per_tenant), streams_(Metrics::process().gauge<Metric::sse_streams>()) {}

StreamPlaces::Place::Place(StreamPlaces& places, std::string domain) : places_(places), domain_(std::move(domain)) {
  auto& taken = places_.taken_[domain_];
  if (taken >= places_.per_tenant_)
    throw Refusal(429, "Too many streams", "The domain has reached its limit of open streams", {},
                  std::chrono::seconds(5));
  ++taken;
  places_.streams_.add(1);
}

StreamPlaces::Place::~Place() {
  places_.streams_.add(-1);
  auto const found = places_.taken_.find(domain_);
  if (--found->second == 0) places_.taken_.erase(found);
}

}  // namespace omnibus::gateway
