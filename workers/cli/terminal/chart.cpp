#include "workers/cli/terminal/chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <iterator>
#include <numeric>

namespace omnibus::cli {
namespace {

constexpr std::size_t widest_column = 6;
constexpr int eighths_of_a_cell = 8;
constexpr std::array<std::string_view, 9> blocks{" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"};

std::vector<double> merged(std::vector<double> const& values, std::size_t columns, Merge merge) {
  auto const share = (values.size() + columns - 1) / columns;
  std::vector<double> result;
  for (std::size_t begin = 0; begin < values.size(); begin += share) {
    auto const first = values.begin() + static_cast<std::ptrdiff_t>(begin);
    auto const last = values.begin() + static_cast<std::ptrdiff_t>(std::min(begin + share, values.size()));
    result.push_back(merge == Merge::sum ? std::accumulate(first, last, 0.0) : *std::max_element(first, last));
  }
  return result;
}

/// The character of a column in the line that begins `line` cells above the base.
std::string_view cell(int eighths, std::size_t line, Ink ink) {
  auto const above = eighths - static_cast<int>(line) * eighths_of_a_cell;
  auto const filled = std::clamp(above, 0, eighths_of_a_cell);
  if (ink == Ink::blocks) return blocks[static_cast<std::size_t>(filled)];
  return filled * 2 >= eighths_of_a_cell || (line == 0 && filled > 0) ? "#" : " ";
}

std::string padded(std::string text, std::size_t width) {
  auto const has = display_width(text);
  if (has < width) text.insert(0, width - has, ' ');
  return text;
}

}  // namespace

std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

std::string fitted(std::string_view text, std::size_t width) {
  std::string result;
  for (auto const c : text) {
    auto const byte = static_cast<unsigned char>(c);
    result += byte < 0x20 || byte >= 0x7F ? '?' : c;
  }
  if (result.size() <= width) return result;
  result.resize(width);
  if (width > 0) result.back() = '~';
  return result;
}

std::string with_separators(std::int64_t number) {
  auto text = std::to_string(number);
  for (auto place = std::ssize(text) - 3; place > (number < 0 ? 1 : 0); place -= 3)
    text.insert(static_cast<std::size_t>(place), 1, ',');
  return text;
}

std::vector<std::string> column_chart(std::vector<double> const& values, Merge merge, std::size_t width,
                                      std::size_t height, Ink ink, std::string (*label)(double)) {
  if (values.empty() || height == 0) return {};
  auto const highest_of = [&](std::size_t columns) {
    auto const all = merged(values, columns, merge);
    return *std::max_element(all.begin(), all.end());
  };
  auto const scale_width =
      std::max(display_width(label(highest_of(std::max<std::size_t>(width, 1)))), display_width(label(0)));
  auto const room = width > scale_width + 3 ? width - scale_width - 2 : 1;
  auto const columns = merged(values, room, merge);
  auto const highest = *std::max_element(columns.begin(), columns.end());
  auto const column_width = std::clamp<std::size_t>(room / columns.size(), 1, widest_column);
  auto const gap = column_width >= 3 ? std::size_t{1} : std::size_t{0};

  std::vector<int> eighths;
  for (auto const value : columns) {
    auto const full = static_cast<double>(height * eighths_of_a_cell);
    auto const scaled = highest > 0 ? static_cast<int>(std::lround(value / highest * full)) : 0;
    eighths.push_back(value > 0 ? std::max(scaled, 1) : 0);  // a value above zero is always visible
  }
  std::vector<std::string> lines;
  for (auto line = height; line-- > 0;) {
    auto const scale = line == height - 1 ? label(highest) : std::string{};
    std::string text = padded(scale, scale_width) + (ink == Ink::blocks ? " │" : " |");
    for (auto const height_of : eighths) {
      for (std::size_t i = gap; i < column_width; ++i) text += cell(height_of, line, ink);
      text.append(gap, ' ');
    }
    while (text.ends_with(' ')) text.pop_back();
    lines.push_back(std::move(text));
  }
  std::string base = padded(label(0), scale_width) + (ink == Ink::blocks ? " └" : " +");
  for (std::size_t i = 0; i < columns.size() * column_width; ++i) base += ink == Ink::blocks ? "─" : "-";
  lines.push_back(std::move(base));
  return lines;
}

}  // namespace omnibus::cli
