/// Makes well-formed Unicode of what others send. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::json {

/// The text as TextMender makes it: valid UTF-8 without NUL.
std::string repaired_text(std::string_view text);

/// A JSON document with repaired strings: as `repaired_text`, also where halves of surrogate pairs and NULs are written
/// as escapes. Escapes other control characters, and leaves out a byte order mark. What is not JSON for another reason
/// stays so.
std::string repaired_document(std::string_view document);

}  // namespace omnibus::json
