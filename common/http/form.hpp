/// Forms and queries, which share one format. Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::http {

/// Names and values, decoded, in their order.
using Form = std::vector<std::pair<std::string, std::string>>;

/// Everything but letters, digits and `-._~` as %XX.
std::string percent_encode(std::string_view text);
/// Decodes %XX (and '+' as a space in a form); nothing when an escape is malformed, or stands for NUL unless that is
/// allowed.
std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space = false, bool allows_nul = false);

/// Reads `name=value&name=value`; nothing when an escape is malformed, or stands for NUL unless that is allowed.
std::optional<Form> read_form(std::string_view text, bool allows_nul = false);
/// Appends `name=value`, percent-encoded, with an `&` in front unless `out` is empty or ends with a query's `?`.
void append_form(std::string& out, std::string_view name, std::string_view value);

}  // namespace omnibus::http
