#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace omnibus {

/// Decodes the base64 of RFC 4648, section 4: padded, without line breaks. Nothing for any other text.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace omnibus
