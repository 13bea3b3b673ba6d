/// What is asked of the rollups.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::rollups {

/// How wide the buckets of a trend are.
enum class Granularity { quarter, hour, day };

std::string_view to_string(Granularity granularity);
std::int64_t width_ms(Granularity granularity);

/// A range and what of it: times in ms since 1970, `from` included and `to` not, both at bounds of buckets.
struct Query {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  Granularity granularity = Granularity::hour;
  std::string domain;  ///< empty: of all
  std::string model;   ///< the model asked for; empty: all
};

/// The same as somebody has written it; what is absent has a default.
struct QueryText {
  std::optional<std::string_view> from{};
  std::optional<std::string_view> to{};
  std::optional<std::string_view> granularity{};
  std::optional<std::string_view> domain{};
  std::optional<std::string_view> model{};
};

/// A query that cannot be answered: which of its fields is at fault, and what it should be.
struct InvalidQuery : std::exception {
  std::string field;
  std::string detail;

  InvalidQuery(std::string field_, std::string detail_) : field{std::move(field_)}, detail{std::move(detail_)} {}
  char const* what() const noexcept override { return detail.c_str(); }
};

inline constexpr std::int64_t most_buckets = 1'000;

/// Without `to` up to now, without `from` the day before `to`, without a granularity by the hour. The range is widened
/// to whole buckets, of which it has at most `most_buckets`. @throws InvalidQuery
Query read_query(QueryText const& text, std::int64_t now_ms);

}  // namespace omnibus::rollups
