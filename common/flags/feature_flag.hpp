/// Features that a tenant turns on for a share of its subjects first. Pure.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::flags {

/// Without a row of its own a tenant's flag is on for everybody.
inline constexpr std::string_view omniscient_matching = "omniscient_matching";  ///< subjects: pairs as `min:max`
inline constexpr std::array known_flags{omniscient_matching};

/// 100 %: everybody.
inline constexpr std::int32_t whole_share = 10'000;

/// A subject's place in the order in which a growing share reaches subjects: 0 to 9,999, evenly spread, the same in
/// every process and at any time. Each flag has an order of its own.
std::int32_t place_of(std::string_view flag, std::string_view subject);

/// A flag of one tenant.
struct FeatureFlag {
  std::string name;
  bool enabled = true;                ///< else it is on for nobody
  std::int32_t share = whole_share;   ///< how many subjects it is on for, in hundredths of a percent
  std::vector<std::string> subjects;  ///< it is on for these whatever the share

  bool is_on_for_all() const { return enabled && share >= whole_share; }
  /// A subject that is on stays on while the share grows.
  bool is_on(std::string_view subject) const {
    return enabled &&
           (place_of(name, subject) < share || std::find(subjects.begin(), subjects.end(), subject) != subjects.end());
  }
};
BOOST_DESCRIBE_STRUCT(FeatureFlag, (), (name, enabled, share, subjects))

}  // namespace omnibus::flags
