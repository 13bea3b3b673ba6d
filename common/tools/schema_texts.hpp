#pragma once

#include <span>
#include <string_view>

namespace omnibus::tools {

/// The documents of `schemas/tools/`, as this binary was built with.
std::span<std::string_view const> schema_texts();

}  // namespace omnibus::tools
