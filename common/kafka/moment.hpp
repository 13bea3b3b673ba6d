/// A point in time as an operator gives it: where a window of a topic begins or ends.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::kafka {

struct Moment {
  enum class Kind { earliest, now, time };
  Kind kind = Kind::now;
  std::int64_t ms = 0;  ///< since 1970; only of a time

  bool operator==(Moment const&) const = default;
};

/// Reads RFC 3339 (2026-11-20T09:00:00Z, with fraction and offset if need be), milliseconds since 1970, `earliest` or
/// `now`. @throws std::invalid_argument that names the accepted forms.
Moment parse_moment(std::string_view text);

/// The same in one form: `earliest`, `now` or RFC 3339 in UTC with milliseconds.
std::string to_string(Moment const& moment);

}  // namespace omnibus::kafka
