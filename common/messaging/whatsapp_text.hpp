#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace omnibus::messaging {

/// WhatsApp's limits, counted here in UTF-16 code units, which are at least as many as its characters.
inline constexpr std::size_t whatsapp_max_text = 4096;
inline constexpr std::size_t whatsapp_max_template_body = 1024;

/// Converts a body of simple Markdown into a WhatsApp text: *bold*, _italic_, ~strike~, ```code```, headings in bold,
/// bullets, links with their address; before it the emoji of the notification's kind (`call_summary`, `message`,
/// `opt_out`, `opt_in`, `help`; a `reply` has none). At most `whatsapp_max_text` long, with an ellipsis for the rest;
/// marks that are open there are closed.
std::string whatsapp_text(std::string_view kind, std::string_view body);

/// The same body as a parameter of a template, which allows neither line feeds nor tabs nor runs of spaces:
/// one line, plain. `max` is what the template's own words leave of `whatsapp_max_template_body`.
std::string whatsapp_template_parameter(std::string_view body, std::size_t max = whatsapp_max_template_body);

}  // namespace omnibus::messaging
