/// Selects letters of a dead-letter topic.
#pragma once

#include "engine/commit/dead_letter.hpp"

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

namespace omnibus::cli {

/// First and last, both inclusive.
struct Range {
  std::int64_t from = 0;
  std::int64_t to = std::numeric_limits<std::int64_t>::max();

  bool holds(std::int64_t number) const { return from <= number && number <= to; }
};

/// A range such as 7, 7-12, 7- or -12. @throws std::invalid_argument that names `option` and shows the forms.
Range read_range(std::string_view option, std::string_view text);

/// Empty texts select everything.
struct Selection {
  Range partitions{};
  Range offsets{};
  std::string error_class{};
  std::string worker{};  ///< its name, or that of its group
  Range times{};         ///< when it was parked, in ms

  bool holds(engine::DeadLetter const& letter) const;
};

}  // namespace omnibus::cli
