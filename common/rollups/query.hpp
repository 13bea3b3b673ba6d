/// A query of the rollups.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::rollups {

/// The width of a trend's buckets.
enum class Granularity { quarter, hour, day };

std::string_view to_string(Granularity granularity);
std::int64_t width_ms(Granularity granularity);

/// A time range and filters: times in ms since 1970, `from` inclusive and `to` exclusive, both at bounds of buckets.
struct Query {
  std::int64_t from_ms = 0;
  std::int64_t to_ms = 0;
  Granularity granularity = Granularity::hour;
  std::string domain;  ///< empty: of all
  std::string model;   ///< the model asked for; empty: all
};

/// The same as a user writes it; an absent value has a default.
struct QueryText {
  std::optional<std::string_view> from{};
  std::optional<std::string_view> to{};
  std::optional<std::string_view> granularity{};
  std::optional<std::string_view> domain{};
  std::optional<std::string_view> model{};
};

/// An invalid query: the wrong field, and what it must be.
struct InvalidQuery : std::exception {
  std::string field;
  std::string detail;

  InvalidQuery(std::string field_, std::string detail_) : field{std::move(field_)}, detail{std::move(detail_)} {}
  char const* what() const noexcept override { return detail.c_str(); }
};

inline constexpr std::int64_t most_buckets = 1'000;

/// Defaults: `to` is now, `from` the day before `to`, the granularity an hour. The range is widened
/// to whole buckets, of which it has at most `most_buckets`. @throws InvalidQuery
Query read_query(QueryText const& text, std::int64_t now_ms);

}  // namespace omnibus::rollups
