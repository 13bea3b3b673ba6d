/// The head of a response as the server writes it. Pure, no IO.
#pragma once

#include "http/message.hpp"

#include <string>

namespace omnibus::http {

/// Whether a response of this status may have a body.
bool has_body(int status);
/// False when a header has a line break or NUL, which could turn one response into two.
bool is_safe(Headers const& headers);
/// Appends status line and headers without an empty line. The server adds the headers that frame the body.
void append_head(std::string& out, int status, Headers const& headers);

}  // namespace omnibus::http
