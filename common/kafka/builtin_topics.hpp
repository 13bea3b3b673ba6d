#pragma once

#include <string_view>

namespace omnibus::kafka {

/// The text of the topics.yaml this binary was built with.
std::string_view builtin_topics();

}  // namespace omnibus::kafka
