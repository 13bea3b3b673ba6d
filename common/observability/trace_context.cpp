#include "observability/trace_context.hpp"

#include <algorithm>
#include <cstddef>

namespace omnibus {
namespace {

constexpr std::size_t traceparent_length = 55;

int hex_value(char digit) {
  if (digit >= '0' && digit <= '9') return digit - '0';
  if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
  return -1;
}

template <std::size_t N>
bool read_hex(std::string_view text, std::array<std::uint8_t, N>& bytes) {
  for (std::size_t i = 0; i < N; ++i) {
    int const high = hex_value(text[2 * i]);
    int const low = hex_value(text[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    bytes[i] = static_cast<std::uint8_t>(high * 16 + low);
  }
  return true;
}

template <std::size_t N>
void append_hex(std::string& out, std::array<std::uint8_t, N> const& bytes) {
  static constexpr std::string_view digits = "0123456789abcdef";
  for (auto const byte : bytes) {
    out += digits[byte >> 4];
    out += digits[byte & 15];
  }
}

template <std::size_t N>
bool all_zero(std::array<std::uint8_t, N> const& bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](std::uint8_t byte) { return byte == 0; });
}

template <std::size_t N>
void fill(std::array<std::uint8_t, N>& bytes, TraceRandom& random) {
  do {
    for (std::size_t i = 0; i < N; i += 8) {
      auto bits = random();
      for (std::size_t j = i; j < i + 8; ++j, bits >>= 8) bytes[j] = static_cast<std::uint8_t>(bits & 0xff);
    }
  } while (all_zero(bytes));
}

}  // namespace

TraceRandom& thread_trace_random() {
  thread_local TraceRandom random = [] {
    std::random_device device;
    std::seed_seq seed{device(), device(), device(), device(), device(), device(), device(), device()};
    return TraceRandom(seed);
  }();
  return random;
}

std::optional<TraceContext> TraceContext::parse(std::string_view traceparent) {
  if (traceparent.size() != traceparent_length || traceparent.substr(0, 3) != "00-") return std::nullopt;
  if (traceparent[35] != '-' || traceparent[52] != '-') return std::nullopt;
  TraceContext context;
  std::array<std::uint8_t, 1> flags{};
  if (!read_hex(traceparent.substr(3, 32), context.trace_id)) return std::nullopt;
  if (!read_hex(traceparent.substr(36, 16), context.span_id)) return std::nullopt;
  if (!read_hex(traceparent.substr(53, 2), flags)) return std::nullopt;
  if (all_zero(context.trace_id) || all_zero(context.span_id)) return std::nullopt;
  context.flags = flags[0];
  return context;
}

TraceContext TraceContext::begin(TraceRandom& random) {
  TraceContext context;
  fill(context.trace_id, random);
  fill(context.span_id, random);
  return context;
}

TraceContext TraceContext::child(TraceRandom& random) const {
  TraceContext next = *this;
  do {
    fill(next.span_id, random);
  } while (next.span_id == span_id);
  return next;
}

std::string TraceContext::trace_id_text() const {
  std::string text;
  text.reserve(32);
  append_hex(text, trace_id);
  return text;
}

std::string to_string(TraceContext const& context) {
  std::string text = "00-";
  text.reserve(traceparent_length);
  append_hex(text, context.trace_id);
  text += '-';
  append_hex(text, context.span_id);
  text += '-';
  append_hex(text, std::array{context.flags});
  return text;
}

}  // namespace omnibus
