/// Charts for terminals.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::cli {

/// The characters of bars.
enum class Ink { blocks, ascii };

/// How values that share a column are combined.
enum class Merge { sum, highest };

/// A chart of columns, `height` lines of `width` characters at most, with a scale to the left and a base line. More
/// values than columns share columns; fewer values get wider ones. `label` writes the scale's numbers.
std::vector<std::string> column_chart(std::vector<double> const& values, Merge merge, std::size_t width,
                                      std::size_t height, Ink ink, std::string (*label)(double));

/// The width of a UTF-8 text on a terminal, one character for each code point.
std::size_t display_width(std::string_view text);

/// Fits a text in `width` characters; unprintable ones become "?", and "~" marks a cut end:
/// names come from outside, and must not move the cursor.
std::string fitted(std::string_view text, std::size_t width);

/// 1,234,567
std::string with_separators(std::int64_t number);

}  // namespace omnibus::cli
