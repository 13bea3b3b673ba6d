/// A report as text and as HTML. Pure.
#pragma once

#include "workers/report/content.hpp"

#include <string>
#include <string_view>

namespace omnibus::report {

/// Plain text in UTF-8, lines of any length.
std::string render_text(ReportContent const& content);

/// The same as an HTML document without scripts, images or addresses. Whatever people and models wrote is escaped.
std::string render_html(ReportContent const& content);

/// Text that stands between two tags or in an attribute. Control characters but line ends and tabs become blanks.
std::string escape_html(std::string_view text);

}  // namespace omnibus::report
