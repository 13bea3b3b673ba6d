#pragma once

#include <string>
#include <string_view>

namespace omnibus::messaging {

/// What a person reads of simple Markdown, without its marks or WhatsApp's: headings as lines, items behind `bullet`,
/// a link as its text with the address in brackets after it, where they differ.
std::string plain_text(std::string_view markdown, std::string_view bullet = "- ");

/// How the address of a link follows its text: ` (https://example.org)`, or nothing when the text says it.
std::string link_address(std::string_view text, std::string_view address);

}  // namespace omnibus::messaging
