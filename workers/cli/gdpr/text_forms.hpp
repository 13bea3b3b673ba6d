/// The forms in which a text may be stored.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::cli {

/// A text in one form.
struct TextForm {
  std::string_view name;  ///< raw, json, base64 or hex
  std::string text;
};

/// The text as it is; escaped in JSON, with and without characters beyond ASCII; in base64 of both alphabets, wherever
/// in the encoded bytes it begins; and as hex digits of both cases. Each once. Pure.
/// @throws std::invalid_argument for a text under 6 bytes, which would be found by chance
std::vector<TextForm> forms_of(std::string const& text);

/// The name of the first form that `bytes` holds. Pure.
std::optional<std::string_view> form_in(std::string_view bytes, std::vector<TextForm> const& forms);

}  // namespace omnibus::cli
