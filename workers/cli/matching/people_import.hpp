/// Reading people from JSON lines.
#pragma once

#include "events/people.hpp"
#include "json/error.hpp"

#include <optional>
#include <string>
#include <string_view>

#include <boost/system/result.hpp>

namespace omnibus::cli {

/// What a line leaves out.
struct ImportDefaults {
  std::optional<std::string> domain{};
  std::optional<std::string> consent_at{};  ///< set: a person without a status is approved, and consented at that time
};

/// Reads one person, a JSON object with the members of matches::PersonText and no others. Pure.
boost::system::result<PersonRecorded, json::DecodeError> read_person_line(std::string_view line,
                                                                          ImportDefaults const& defaults);

}  // namespace omnibus::cli
