/// Which time zones people may have. Pure.
#pragma once

#include <string_view>

namespace omnibus::match {

/// Whether a name of PostgreSQL's time zones is one of a place: not `posix/...`, `right/...`, `localtime`, `posixrules`
/// or `Factory`.
constexpr bool is_zone_of_people(std::string_view name) {
  return !name.starts_with("posix/") && !name.starts_with("right/") && name != "localtime" && name != "posixrules" &&
         name != "Factory";
}

}  // namespace omnibus::match
