/// Whom a record is about, as erasures are asked for it.
#pragma once

#include "subjects/subjects.hpp"

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

namespace omnibus::postgres {

/// The people whom an event is about, and its record's first position: of a record that was redriven, the position
/// that it failed at. Without people there is nothing to ask, and no position.
struct About {
  Subjects subjects{};
  std::string topic{};
  std::int32_t partition = 0;
  std::int64_t offset = 0;

  /// The subjects, as the database has them, sorted.
  std::vector<std::string> keys() const {
    std::vector<std::string> keys;
    keys.reserve(subjects.size());
    for (auto const& subject : subjects) keys.push_back(subject.text());
    std::ranges::sort(keys);
    return keys;
  }
};

}  // namespace omnibus::postgres
