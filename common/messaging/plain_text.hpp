#pragma once

#include <string>
#include <string_view>

namespace omnibus::messaging {

/// Simple Markdown as plain text, without its marks or WhatsApp's: headings as lines, items after `bullet`,
/// a link as its text, followed by the address in brackets if they differ.
std::string plain_text(std::string_view markdown, std::string_view bullet = "- ");

/// The address of a link as it follows the text: ` (https://example.org)`, or nothing when the text contains it.
std::string link_address(std::string_view text, std::string_view address);

}  // namespace omnibus::messaging
