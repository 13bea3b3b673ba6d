#include "workers/cli/dlq/letter_selection.hpp"

#include "workers/cli/terminal/terminal.hpp"

#include <charconv>
#include <optional>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

}  // namespace

Range read_range(std::string_view option, std::string_view text) {
  auto const dash = text.find('-');
  auto const from = text.substr(0, dash);
  auto const to = dash == std::string_view::npos ? from : text.substr(dash + 1);
  Range range;
  auto const first = number_of(from);
  auto const last = number_of(to);
  auto const right = (first || from.empty()) && (last || to.empty()) && (first || last);
  if (first) range.from = *first;
  if (last) range.to = *last;
  if (!right || range.from > range.to)
    throw std::invalid_argument(
        fmt::format("{} takes a number or a range such as 7, 7-12, 7- or -12, not {}", option, printable(text, 64)));
  return range;
}

bool Selection::holds(engine::DeadLetter const& letter) const {
  return partitions.holds(letter.partition) && offsets.holds(letter.offset) &&
         (error_class.empty() || error_class == letter.error_class) &&
         (worker.empty() || worker == letter.worker || worker == letter.group) && times.holds(letter.timestamp_ms);
}

}  // namespace omnibus::cli
