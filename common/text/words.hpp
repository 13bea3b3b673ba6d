/// Whether a text has words. Pure.
#pragma once

#include <string_view>

namespace omnibus {

/// Whether a text in UTF-8 says anything: it has more than white space and invisible characters.
bool has_words(std::string_view text);

}  // namespace omnibus
