/// W3C Trace Context: an event's trace, and its step within the trace.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>

namespace omnibus {

/// The generator of trace ids; tests pass a seeded one.
using TraceRandom = std::mt19937_64;

/// This thread's generator, seeded from the system once per thread.
TraceRandom& thread_trace_random();

/// The content of a `traceparent` header of version 00. A value, safe to copy and share.
struct TraceContext {
  std::array<std::uint8_t, 16> trace_id{};
  std::array<std::uint8_t, 8> span_id{};
  std::uint8_t flags = 1;  ///< bit 0: sampled

  /// Reads a `traceparent`. Nothing unless it is `00-<32 hex>-<16 hex>-<2 hex>` in lower case with neither id all zero.
  static std::optional<TraceContext> parse(std::string_view traceparent);
  /// A new, sampled trace.
  static TraceContext begin(TraceRandom& random = thread_trace_random());
  /// The next step of the same trace: same trace id and flags, new span id.
  TraceContext child(TraceRandom& random = thread_trace_random()) const;
  /// The trace id as 32 lower-case hex digits, as logs carry it.
  std::string trace_id_text() const;

  bool operator==(TraceContext const&) const = default;
};

/// The `traceparent` header's text.
std::string to_string(TraceContext const& context);

}  // namespace omnibus
