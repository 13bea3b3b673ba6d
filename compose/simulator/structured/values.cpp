#include "compose/simulator/structured/values.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/structured/schema.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <charconv>
#include <cmath>
#include <span>
#include <system_error>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

constexpr std::array<std::string_view, 12> long_texts{"summary", "reason", "explan",    "text",   "message", "answer",
                                                      "descri",  "advice", "rationale", "detail", "analys",  "insight"};
constexpr std::array<std::string_view, 7> shares{"score", "confidence", "probab", "likelihood",
                                                 "align", "ratio",      "relevan"};

constexpr std::size_t longest_text = 20'000;
constexpr std::size_t longest_question = 12'000;  // bytes of it that texts are made of

/// The last part of a path that is no array index, in lower case.
std::string name_in(std::string_view path) {
  while (!path.empty()) {
    auto const slash = path.rfind('/');
    auto const part = slash == std::string_view::npos ? path : path.substr(slash + 1);
    path = path.substr(0, slash == std::string_view::npos ? 0 : slash);
    if (part.find_first_not_of("0123456789") == std::string_view::npos) continue;
    std::string name(part);
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) {
      return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
    });
    return name;
  }
  return {};
}

bool is_about(std::string_view name, std::span<std::string_view const> words) {
  return std::any_of(words.begin(), words.end(), [&](auto word) { return name.find(word) != std::string_view::npos; });
}

/// A few words of the question, one behind another.
std::string phrase(std::string_view question, std::uint64_t hash) {
  auto const words = words_of(question);
  auto const first = hash % words.size();
  auto text = words[first];
  for (std::size_t i = 1; i < 2 + (hash >> 16) % 3 && first + i < words.size(); ++i) text += ' ' + words[first + i];
  return text;
}

/// A sentence of the question, and what the question is about.
std::string sentence(std::string_view question, std::uint64_t hash) {
  std::vector<std::string_view> sentences;
  for (auto rest = question.substr(0, longest_question); !rest.empty();) {
    auto const end = std::min(rest.find_first_of(".!?\n"), rest.size());
    auto found = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    found.remove_prefix(std::min(found.find_first_not_of(' '), found.size()));
    if (characters(found) >= 8 && found.size() <= 300) sentences.push_back(found);
  }
  auto const about = "About " + topic_of(question);
  return sentences.empty() ? about + '.' : fmt::format("{}: {}.", about, sentences[hash % sentences.size()]);
}

std::string of_format(std::string_view format, std::string_view question, std::uint64_t hash) {
  auto day = fmt::format("2026-{:02}-{:02}", 1 + hash % 12, 1 + (hash >> 8) % 28);
  auto time = fmt::format("{:02}:{:02}:00Z", (hash >> 16) % 24, (hash >> 24) % 60);
  if (format == "date") return day;
  if (format == "time") return time;
  if (format == "date-time") return day + 'T' + time;
  if (format == "uuid") {
    return fmt::format("{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}", hash & 0xFFFFFFFF, (hash >> 32) & 0xFFFF, hash & 0xFFF,
                       (hash >> 12) & 0xFFF, (hash >> 4) & 0xFFFFFFFFFFFF);
  }
  auto host = fmt::format("{:x}.example", hash & 0xFFFFF);
  if (format == "email") return "person@" + host;
  if (format == "hostname") return host;
  if (format == "uri") return "https://" + host + '/';
  if (format == "ipv4") return fmt::format("192.0.2.{}", hash % 255);
  if (format == "duration") return fmt::format("PT{}M", 1 + hash % 90);
  return phrase(question, hash);
}

/// The most characters that a description demands, as in "At most 120 characters."
std::size_t told_length(std::string_view description) {
  constexpr std::string_view words = "t most ";
  auto const at = description.find(words);
  if (at == std::string_view::npos) return longest_text;
  description.remove_prefix(at + words.size());
  std::size_t most = 0;
  auto const read = std::from_chars(description.data(), description.data() + description.size(), most);
  description.remove_prefix(static_cast<std::size_t>(read.ptr - description.data()));
  return read.ec == std::errc{} && description.starts_with(" characters") ? std::min(most, longest_text) : longest_text;
}

/// Cuts or fills a text to a number of characters.
std::string fitted(std::string text, std::int64_t least, std::int64_t most) {
  if (text.empty() && least > 0) text = "word";
  while (characters(text) < least) text += ' ' + std::string(text);
  if (characters(text) <= most) return text;
  std::size_t end = 0;
  for (std::int64_t count = 0; end < text.size(); ++end) {
    auto const begins = (static_cast<unsigned char>(text[end]) & 0xC0) != 0x80;
    if (begins && count++ == most) break;
  }
  text.resize(end);
  return text;
}

}  // namespace

json::value invented_number(json::object const& schema, std::string_view path, bool whole, std::uint64_t hash) {
  auto const is_share = !whole && is_about(name_in(path), shares);
  auto least = number_at(schema, "minimum");
  auto most = number_at(schema, "maximum");
  auto const grain = whole ? 1.0 : 0.01;
  if (auto const over = number_at(schema, "exclusiveMinimum")) {
    auto const next = whole ? std::floor(*over) + 1 : *over + grain;
    least = std::max(least.value_or(next), next);
  }
  if (auto const under = number_at(schema, "exclusiveMaximum")) {
    auto const next = whole ? std::ceil(*under) - 1 : *under - grain;
    most = std::min(most.value_or(next), next);
  }
  auto const width = is_share ? 1.0 : 10.0;
  if (!least) least = most ? std::min(0.0, *most - width) : 0.0;
  if (!most) most = *least + width;
  auto const step = number_at(schema, "multipleOf").value_or(grain);
  auto const unit = step > 0 ? step : grain;
  auto const first = std::ceil(*least / unit - 1e-9);
  auto const last = std::floor(*most / unit + 1e-9);
  auto const span = static_cast<std::uint64_t>(std::clamp(last - first, 0.0, 1e15)) + 1;
  auto const number = (first + static_cast<double>(hash % span)) * unit;
  if (last < first) return *least;  // bounds closer than the grain
  if (whole) return static_cast<std::int64_t>(std::llround(number));
  auto const rounded = std::round(number * 1e6) / 1e6;
  return rounded >= *least && rounded <= *most ? rounded : *least;
}

std::string invented_text(json::object const& schema, std::string_view path, std::string_view question,
                          std::uint64_t hash) {
  auto const least = static_cast<std::int64_t>(count_at(schema, "minLength", longest_text).value_or(0));
  auto const most = static_cast<std::int64_t>(
      count_at(schema, "maxLength", longest_text).value_or(told_length(description_of(schema))));
  auto const* const format = schema.if_contains("format");
  auto const name = name_in(path);
  std::string text;
  if (format != nullptr && format->is_string()) {
    text = of_format({format->get_string().data(), format->get_string().size()}, question, hash);
  } else if (is_about(name, long_texts) && most >= 40) {
    text = sentence(question, hash);
  } else {
    text = phrase(question, hash);
  }
  return fitted(std::move(text), least, std::max(least, most));
}

std::vector<std::string> words_of(std::string_view question) {
  std::vector<std::string> words;
  auto const is_letter = [](unsigned char c) { return c >= 0x80 || std::isalnum(c) != 0; };
  for (std::size_t at = 0; at < std::min(question.size(), longest_question) && words.size() < 200;) {
    std::string word;
    for (; at < question.size() && is_letter(static_cast<unsigned char>(question[at])); ++at) {
      auto const c = static_cast<unsigned char>(question[at]);
      word += c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c);
    }
    ++at;
    if (word.size() > 2 && word.size() <= 40 && std::find(words.begin(), words.end(), word) == words.end())
      words.push_back(std::move(word));
  }
  for (auto const* const word : {"request", "question", "answer"})
    if (words.size() < 3 && std::find(words.begin(), words.end(), word) == words.end()) words.emplace_back(word);
  return words;
}

json::object merged(json::object first, json::object const& second) {
  for (auto const& entry : second) {
    auto& value = first[entry.key()];
    if (entry.key() == "properties" && value.is_object() && entry.value().is_object()) {
      for (auto const& property : entry.value().get_object()) value.get_object()[property.key()] = property.value();
    } else if (entry.key() == "required" && value.is_array() && entry.value().is_array()) {
      for (auto const& name : entry.value().get_array()) value.get_array().push_back(name);
    } else {
      value = entry.value();
    }
  }
  return first;
}

}  // namespace omnibus::simulator
