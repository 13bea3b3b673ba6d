/// The head of a response as the server writes it. Pure, no IO.
#pragma once

#include "http/message.hpp"

#include <string>

namespace omnibus::http {

/// Whether a response of this status may have a body.
bool has_body(int status);
/// False when a line break or NUL in a header would let one response become two.
bool is_safe(Headers const& headers);
/// Appends status line and headers, but those that frame the body, which are the server's own; no empty line.
void append_head(std::string& out, int status, Headers const& headers);

}  // namespace omnibus::http
