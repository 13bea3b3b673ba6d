/// The alphabet of the cheapest SMS: GSM 03.38 (3GPP TS 23.038), its default table and its extension.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace omnibus::messaging::gsm7 {

/// Septets of a UTF-16 unit: 1, or 2 for `^{}[]~|\€` and form feed, which need an escape; 0 when it is
/// not in the alphabet. The escape itself is not a character, so it is not in the alphabet.
std::uint8_t septets(char16_t unit);

/// Septets of a text; nothing when a character is not in the alphabet.
std::optional<std::size_t> septets(std::u16string_view text);

}  // namespace omnibus::messaging::gsm7
