#include "compose/simulator/structured/prompt_data.hpp"

#include <algorithm>
#include <optional>

#include <boost/json.hpp>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

constexpr int most_blocks = 16;
constexpr int deepest_block = 64;

bool is_word(std::string_view text) {
  return text.size() > 3 && std::none_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '-';
         });
}

void append_texts(std::string& texts, json::value const& value) {
  if (auto const* const text = value.if_string()) {
    std::string_view const words{text->data(), text->size()};
    if (words.find(' ') != std::string_view::npos || is_word(words)) texts.append(words).push_back('\n');
  } else if (auto const* const items = value.if_array()) {
    for (auto const& item : *items) append_texts(texts, item);
  } else if (auto const* const members = value.if_object()) {
    for (auto const& member : *members) append_texts(texts, member.value());
  }
}

/// The value that begins the text, which may go on after it; moves the text behind it.
std::optional<json::value> take_value(std::string_view& text) {
  json::parse_options options;
  options.max_depth = deepest_block;
  json::stream_parser parser{{}, options};
  json::error_code error;
  auto const read = parser.write_some(text.data(), text.size(), error);
  if (error || !parser.done()) return std::nullopt;
  text.remove_prefix(read);
  return parser.release();
}

}  // namespace

std::string texts_of_data(std::string_view message) {
  std::string texts;
  for (int blocks = 0; blocks < most_blocks; ++blocks) {
    auto const begin = message.find_first_of("{[");
    if (begin == std::string_view::npos) break;
    message.remove_prefix(begin);
    if (auto const value = take_value(message))
      append_texts(texts, *value);
    else
      message.remove_prefix(1);
  }
  return texts;
}

}  // namespace omnibus::simulator
