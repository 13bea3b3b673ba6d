/// Counts as they are stored: a JSON object of names and numbers.
#pragma once

#include "events/gdpr.hpp"

#include <string>
#include <vector>

namespace omnibus::gdpr {

/// `{"messages":10,"conversations":1}`; of a name that comes twice, the sum. Pure.
std::string counts_json(std::vector<GdprCount> const& counts);

}  // namespace omnibus::gdpr
