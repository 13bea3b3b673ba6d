#include "workers/gdpr/erasure/log_clearing.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <string_view>

namespace omnibus::gdpr {
namespace {

constexpr std::int64_t kafkas_default_ms = 604'800'000;   // of retention.ms and of segment.ms
constexpr std::int64_t check_interval_ms = 300'000;       // log.retention.check.interval.ms
constexpr std::int64_t longest_ms = 253'402'300'799'999;  // to the end of the year 9999: as good as unlimited

std::int64_t number(std::string_view text) {
  std::int64_t value = kafkas_default_ms;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

std::int64_t setting(kafka::TopicState const& state, kafka::TopicSpec const& spec, std::string const& name) {
  if (state.configs)
    if (auto const found = state.configs->find(name); found != state.configs->end()) return number(found->second.value);
  if (auto const found = spec.configs.find(name); found != spec.configs.end()) return number(found->second);
  return kafkas_default_ms;
}

}  // namespace

std::int64_t clear_at_ms(kafka::TopicState const& state, kafka::TopicSpec const& spec, std::int64_t newest_ms) {
  auto const retention = setting(state, spec, "retention.ms");
  auto const segment = setting(state, spec, "segment.ms");
  if (retention < 0 || retention > longest_ms || segment > longest_ms) return std::numeric_limits<std::int64_t>::max();
  // A client may have chosen any timestamp.
  return std::min(newest_ms, longest_ms) + retention + segment + check_interval_ms;
}

}  // namespace omnibus::gdpr
