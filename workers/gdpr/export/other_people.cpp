#include "workers/gdpr/export/other_people.hpp"

#include "json/decode.hpp"
#include "json/encode.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gdpr {
namespace {

constexpr std::string_view other_person = "the other person";
constexpr std::string_view of_the_team = "a person of the team";
/// Members that name a person of the team.
constexpr std::array<std::string_view, 8> members_of_the_team{"actor",    "requested_by", "owner_id",   "author_id",
                                                              "taken_by", "updated_by",   "created_by", "by"};

struct OneText {
  std::string text;
};
BOOST_DESCRIBE_STRUCT(OneText, (), (text))

bool is_word_character(char c) {
  return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

bool same_letter(char left, char right) {
  auto const lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
  return lower(left) == lower(right);
}

/// Whether the found text is part of a longer word.
bool within_word(std::string_view text, std::size_t first, std::size_t size) {
  auto const end = first + size;
  return (first > 0 && is_word_character(text[first]) && is_word_character(text[first - 1])) ||
         (end < text.size() && is_word_character(text[end - 1]) && is_word_character(text[end]));
}

/// Whether a text of another person, such as "AI", may well be part of a word of the exported person.
bool is_short(std::string_view text) {
  constexpr std::size_t longest_word = 20;
  return text.size() <= longest_word && text.find('@') == std::string_view::npos;
}

/// Where the JSON string that begins at `at` ends: behind its closing quote.
std::size_t end_of_string(std::string_view json, std::size_t at) {
  for (++at; at < json.size() && json[at] != '"'; ++at)
    if (json[at] == '\\') ++at;
  return std::min(at + 1, json.size());
}

bool is_name(std::string_view json, std::size_t after) {
  auto const next = json.find_first_not_of(" \t\r\n", after);
  return next != std::string_view::npos && json[next] == ':';
}

std::string decoded(std::string_view quoted) {
  auto const inner = quoted.substr(1, quoted.size() - 2);
  if (inner.find('\\') == std::string_view::npos) return std::string{inner};
  auto const document = std::string{R"({"text":)"}.append(quoted).append("}");
  auto value = json::decode<OneText>(document, {.bytes = document.size()});
  return value ? std::move(value->text) : std::string{inner};
}

}  // namespace

OtherPeople::OtherPeople(std::vector<OtherParty> const& people) {
  for (auto const& person : people) {
    for (auto const& text : person.texts) marks_.push_back({text, is_short(text)});
    marks_.push_back({person.id, false});
    auto digits = person.id;
    std::erase(digits, '-');
    marks_.push_back({std::move(digits), false});
    marks_.push_back({person.handle, true});
  }
  std::erase_if(marks_, [](auto const& mark) { return mark.text.empty(); });
  // A longer text may hold a shorter one.
  std::stable_sort(marks_.begin(), marks_.end(),
                   [](auto const& left, auto const& right) { return left.text.size() > right.text.size(); });
}

std::string OtherPeople::mask_text(std::string text) const {
  for (auto const& mark : marks_) {
    for (std::size_t from = 0;;) {
      auto const found = std::search(text.begin() + static_cast<std::ptrdiff_t>(from), text.end(), mark.text.begin(),
                                     mark.text.end(), same_letter);
      if (found == text.end()) break;
      auto const first = static_cast<std::size_t>(found - text.begin());
      if (mark.is_word && within_word(text, first, mark.text.size())) {
        from = first + 1;
        continue;
      }
      text.replace(first, mark.text.size(), other_person);
      from = first + other_person.size();
    }
  }
  return text;
}

std::string OtherPeople::masked(std::string_view json) const {
  std::string out;
  out.reserve(json.size());
  std::string name;
  for (std::size_t at = 0; at < json.size();) {
    if (json[at] != '"') {
      if (json[at] == ',' || json[at] == '{' || json[at] == '[') name.clear();
      out += json[at++];
      continue;
    }
    auto const end = end_of_string(json, at);
    auto const quoted = json.substr(at, end - at);
    at = end;
    if (is_name(json, end)) {
      name = decoded(quoted);
      out += quoted;
      continue;
    }
    auto const text = decoded(quoted);
    auto masked = std::find(members_of_the_team.begin(), members_of_the_team.end(), name) != members_of_the_team.end()
                      ? std::string{of_the_team}
                      : mask_text(text);
    if (masked == text)
      out += quoted;
    else
      json::append_string(out, masked);
  }
  return out;
}

}  // namespace omnibus::gdpr
