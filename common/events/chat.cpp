#include "events/chat.hpp"

#include <algorithm>

namespace omnibus {
namespace {

constexpr std::size_t max_domain = 253;
constexpr std::size_t max_label = 63;
constexpr std::size_t max_session_id = 255;
constexpr std::size_t max_text = 16'000;

/// JSON Schema counts characters, which in UTF-8 are the bytes that do not continue one.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_label(std::string_view label) {
  if (label.empty() || label.size() > max_label) return false;
  if (!is_letter_or_digit(label.front()) || !is_letter_or_digit(label.back())) return false;
  return std::all_of(label.begin(), label.end(), [](char c) { return is_letter_or_digit(c) || c == '-'; });
}

bool is_domain(std::string_view domain) {
  if (domain.size() > max_domain) return false;
  while (true) {
    auto const dot = domain.find('.');
    if (!is_label(domain.substr(0, dot))) return false;
    if (dot == std::string_view::npos) return true;
    domain.remove_prefix(dot + 1);
  }
}

std::optional<InvalidField> check_length(std::string_view field, std::string_view value, std::size_t most) {
  if (value.empty()) return InvalidField{std::string(field), "must not be empty"};
  if (value.size() <= most || characters(value) <= most) return std::nullopt;
  return InvalidField{std::string(field), "must have at most " + std::to_string(most) + " characters"};
}

}  // namespace

std::optional<InvalidField> validate(ChatMessageReceived const& message) {
  if (!is_domain(message.domain))
    return InvalidField{"domain", "must be a host name in lower case of at most 253 characters"};
  if (auto invalid = check_length("session_id", message.session_id, max_session_id)) return invalid;
  return check_length("text", message.text, max_text);
}

std::optional<InvalidField> validate(ChatReplyDelta const& delta) {
  if (delta.index < 0) return InvalidField{"index", "must not be negative"};
  return std::nullopt;
}

}  // namespace omnibus
