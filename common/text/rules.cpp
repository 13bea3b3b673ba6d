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

/// Whether UTF-8 begins with a control character, or with one that separates lines or turns the direction of text.
bool begins_with_control(std::string_view text) {
  auto const byte = [&](std::size_t at) { return at < text.size() ? static_cast<unsigned char>(text[at]) : 0U; };
  auto const is_within = [](unsigned value, unsigned first, unsigned last) { return value >= first && value <= last; };
  if (byte(0) < 0x20U || byte(0) == 0x7fU) return true;
  if (byte(0) == 0xc2U) return is_within(byte(1), 0x80U, 0x9fU);                      // U+0080 to U+009F
  if (byte(0) == 0xe2U && byte(1) == 0x80U) return is_within(byte(2), 0xa8U, 0xaeU);  // U+2028 to U+202E
  return byte(0) == 0xe2U && byte(1) == 0x81U && is_within(byte(2), 0xa6U, 0xa9U);    // U+2066 to U+2069
}

bool has_control(std::string_view text) {
  for (; !text.empty(); text.remove_prefix(1))
    if (begins_with_control(text)) return true;
  return false;
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

std::optional<InvalidField> line(std::string_view field, std::string_view value, std::size_t most) {
  if (auto invalid = length(field, value, most)) return invalid;
  if (!has_control(value)) return std::nullopt;
  return InvalidField{std::string(field), "must have no control characters"};
}

bool is_email(std::string_view text) {
  constexpr std::size_t max_address = 254;
  auto const at = text.find('@');
  if (text.size() > max_address || at == std::string_view::npos || at == 0 || at + 1 == text.size()) return false;
  return text.find('@', at + 1) == std::string_view::npos && std::none_of(text.begin(), text.end(), [](char c) {
           auto const byte = static_cast<unsigned char>(c);
           return byte <= 0x20U || byte >= 0x7fU || std::string_view{"\"<>(),:;\\[]"}.find(c) != std::string_view::npos;
         });
}

std::optional<InvalidField> email(std::string_view field, std::string_view value) {
  if (is_email(value)) return std::nullopt;
  return InvalidField{std::string(field), "must be an e-mail address of at most 254 characters"};
}

std::optional<InvalidField> word(std::string_view field, std::string_view value) {
  constexpr std::size_t max_word = 64;
  auto const fits = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  if (!value.empty() && value.size() <= max_word && std::all_of(value.begin(), value.end(), fits)) return std::nullopt;
  return InvalidField{std::string(field), "must be a word of a-z and _"};
}

std::optional<InvalidField> time(std::string_view field, std::string_view value) {
  if (parse_time_ms(value)) return std::nullopt;
  return InvalidField{std::string(field), "must be a time of RFC 3339"};
}

std::optional<InvalidField> date(std::string_view field, std::string_view value) {
  constexpr std::size_t length_of_date = 10;
  if (value.size() == length_of_date && parse_time_or_date_ms(value)) return std::nullopt;
  return InvalidField{std::string(field), "must be a date, as 2026-11-30"};
}

std::optional<InvalidField> fraction(std::string_view field, double value) {
  if (value >= 0 && value <= 1) return std::nullopt;
  return InvalidField{std::string(field), "must be 0 to 1"};
}

std::optional<InvalidField> between(std::string_view field, std::int64_t value, std::int64_t least, std::int64_t most) {
  if (value >= least && value <= most) return std::nullopt;
  return InvalidField{std::string(field), "must be " + std::to_string(least) + " to " + std::to_string(most)};
}

}  // namespace omnibus::rules
