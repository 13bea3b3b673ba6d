#include "llm/words_pattern.hpp"

#include "json/byte_search.hpp"

#include <utility>

namespace omnibus::llm {
namespace {

constexpr std::string_view event_end = "\n\n";

/// The quote that ends a string without escapes, or npos. A line break would end the event's line.
std::size_t find_plain_end(std::string_view text) {
  auto const* const end = text.data() + text.size();
  auto const* const at = json::find_byte<'"', '\\', '\n', '\r'>(text.data(), end);
  return at != end && *at == '"' ? static_cast<std::size_t>(at - text.data()) : std::string_view::npos;
}

}  // namespace

std::optional<std::string_view> WordsPattern::take(std::string_view& bytes, std::size_t max_line_bytes) const {
  if (before_.empty() || !bytes.starts_with(before_)) return std::nullopt;
  auto const rest = bytes.substr(before_.size());
  auto const end = find_plain_end(rest);
  if (end == std::string_view::npos || !rest.substr(end).starts_with(after_)) return std::nullopt;
  auto const size = before_.size() + end + after_.size();
  if (size - event_end.size() > max_line_bytes) return std::nullopt;
  bytes.remove_prefix(size);
  return rest.substr(0, end);
}

void WordsPattern::learn(std::string_view event, std::string_view frame, std::string_view literal) {
  forget();
  if (literal.empty() || !event.ends_with(event_end) || event.size() < frame.size() + event_end.size()) return;
  // One line of data, and nothing else.
  auto const field = event.substr(0, event.size() - event_end.size() - frame.size());
  if ((field != "data: " && field != "data:") || event.substr(field.size(), frame.size()) != frame) return;
  auto const begin = field.size() + static_cast<std::size_t>(literal.data() - frame.data());
  before_ = event.substr(0, begin + 1);
  after_ = event.substr(begin + literal.size() - 1);
}

void WordsPattern::keep() {
  if (before_.empty() || before_.data() == kept_.data()) return;
  std::string kept;
  kept.reserve(before_.size() + after_.size());
  kept.append(before_).append(after_);
  kept_ = std::move(kept);
  before_ = std::string_view(kept_).substr(0, before_.size());
  after_ = std::string_view(kept_).substr(before_.size());
}

}  // namespace omnibus::llm
