#pragma once

#include <span>
#include <string_view>
#include <utility>

namespace omnibus::assistant {

/// The names and documents of `schemas/answers/`, as this binary was built with.
std::span<std::pair<std::string_view, std::string_view> const> form_texts();

}  // namespace omnibus::assistant
