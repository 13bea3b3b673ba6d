#include "text/rules.hpp"

#include "time/time.hpp"

#include <algorithm>
#include <string>

namespace omnibus::rules {
namespace {

constexpr std::size_t max_domain = 253;
constexpr std::size_t max_label = 63;
constexpr std::size_t max_phone_digits = 15;

/// JSON Schema counts characters, which in UTF-8 are the bytes that do not continue one.
std::size_t characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0U) != 0x80U; }));
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || is_digit(c);
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

bool is_e164(std::string_view number) {
  if (number.size() < 3 || number.front() != '+') return false;
  number.remove_prefix(1);
  return number.size() <= max_phone_digits && number.front() != '0' &&
         std::all_of(number.begin(), number.end(), is_digit);
}

}  // namespace

std::optional<InvalidField> domain(std::string_view field, std::string_view value) {
  if (is_domain(value)) return std::nullopt;
  return InvalidField{std::string(field), "must be a host name in lower case of at most 253 characters"};
}

std::optional<InvalidField> length(std::string_view field, std::string_view value, std::size_t most) {
  if (value.empty()) return InvalidField{std::string(field), "must not be empty"};
  if (value.size() <= most || characters(value) <= most) return std::nullopt;
  return InvalidField{std::string(field), "must have at most " + std::to_string(most) + " characters"};
}

std::optional<InvalidField> e164(std::string_view field, std::string_view value) {
  if (is_e164(value)) return std::nullopt;
  return InvalidField{std::string(field), "must be a phone number in E.164, as +250788123456"};
}

std::optional<InvalidField> one_of(std::string_view field, std::string_view value,
                                   std::initializer_list<std::string_view> words) {
  if (std::find(words.begin(), words.end(), value) != words.end()) return std::nullopt;
  std::string rule = "must be one of";
  for (auto const word : words) rule.append(word == *words.begin() ? " " : ", ").append(word);
  return InvalidField{std::string(field), std::move(rule)};
}

std::optional<InvalidField> time(std::string_view field, std::string_view value) {
  if (parse_time_ms(value)) return std::nullopt;
  return InvalidField{std::string(field), "must be a time of RFC 3339"};
}

}  // namespace omnibus::rules
