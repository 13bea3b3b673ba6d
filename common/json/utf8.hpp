#pragma once

#include <string_view>

namespace omnibus::json {

/// Whether all of `text` is valid UTF-8; halves of surrogate pairs are not.
bool is_utf8(std::string_view text);

}  // namespace omnibus::json
