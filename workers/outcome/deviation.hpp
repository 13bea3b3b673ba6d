/// How an outcome differs from its prediction, in words. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::outcome {

/// One or two sentences. @param judged the outcome before the limit of a conversation that shows little.
std::string describe_deviation(std::string_view predicted, std::string_view judged, std::string_view actual);

}  // namespace omnibus::outcome
