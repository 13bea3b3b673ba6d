/// What all streams of server-sent events have in common.
#pragma once

#include "http/message.hpp"
#include "observability/metrics.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace omnibus::gateway {

/// How long a client waits before it connects again, in milliseconds: the first line of a stream.
inline constexpr std::string_view stream_prologue = "retry: 1000\n\n";

http::Headers event_stream_headers();

/// Bounds the streams that a tenant may have open at once, of all kinds together, and counts them. Must outlive its
/// places. Use it on the event loop only.
class StreamPlaces {
 public:
  explicit StreamPlaces(std::uint32_t per_tenant);
  StreamPlaces(StreamPlaces const&) = delete;
  StreamPlaces& operator=(StreamPlaces const&) = delete;

  /// One open stream, until it is destroyed.
  class Place {
   public:
    ~Place();
    Place(Place const&) = delete;
    Place& operator=(Place const&) = delete;

   private:
    friend class StreamPlaces;
    Place(StreamPlaces& places, std::string domain);

    StreamPlaces& places_;
    std::string domain_;
  };

  /// @throws Refusal 429 when the tenant has too many.
  Place take(std::string domain) { return Place{*this, std::move(domain)}; }

 private:
  std::uint32_t per_tenant_;
  std::unordered_map<std::string, std::uint32_t> taken_;  // by tenant
  Gauge streams_;
};

}  // namespace omnibus::gateway
