/// Numbers as pictures, for terminals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::cli {

/// What bars are made of.
enum class Ink { blocks, ascii };

/// How values that share a column become one.
enum class Merge { sum, highest };

/// A chart of columns, `height` lines of `width` characters at most, with a scale to the left and a base line. More
/// values than there is room for share columns; fewer get wider ones. `label` writes the scale's numbers.
std::vector<std::string> column_chart(std::vector<double> const& values, Merge merge, std::size_t width,
                                      std::size_t height, Ink ink, std::string (*label)(double));

/// How many characters wide a terminal shows this UTF-8 text, one for each code point.
std::size_t display_width(std::string_view text);

/// Fits in `width` characters, with what cannot be shown as "?" and the end as "~" where something was cut off:
/// names come from outside, and must not move the cursor.
std::string fitted(std::string_view text, std::size_t width);

/// 1,234,567
std::string with_separators(std::int64_t number);

}  // namespace omnibus::cli
