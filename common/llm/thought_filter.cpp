#include "llm/thought_filter.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace omnibus::llm {
namespace {

struct TagPair {
  std::string_view opening;
  std::string_view closing;
};
constexpr TagPair usual_tags{"<think>", "</think>"};
constexpr std::string_view blanks = " \t\r\n";
/// The channels of gpt-oss are left in the text by servers that do not parse them. A mark without a closing one stands
/// alone before the words.
constexpr std::string_view final_channel = "<|channel|>final<|message|>";
constexpr std::array<TagPair, 9> thought_tags{{usual_tags,
                                               {"<thinking>", "</thinking>"},
                                               {"<thought>", "</thought>"},
                                               {"<seed:think>", "</seed:think>"},
                                               {"[THINK]", "[/THINK]"},
                                               {"<|channel|>analysis<|message|>", final_channel},
                                               {"<|channel|>commentary<|message|>", final_channel},
                                               {final_channel, ""},
                                               {"<|start|>assistant", ""}}};

/// Whether a text that begins so is neither a blank nor a tag. Bytes that may be no character are left out.
bool begins_word(char c) {
  return static_cast<signed char>(c) > ' ' &&
         std::ranges::none_of(thought_tags, [c](TagPair const& tag) { return tag.opening.front() == c; });
}

}  // namespace

bool ThoughtFilter::speaks_with(std::string_view piece) {
  if (state_ == State::beginning && kept_.empty() && !piece.empty() && begins_word(piece.front()))
    state_ = State::speaking;
  return speaks();
}

void ThoughtFilter::append(std::string& out, std::string_view piece) {
  if (state_ == State::speaking) {
    out.append(piece);
    return;
  }
  kept_.append(piece);
  while (state_ == State::beginning ? look_for_word(out) : state_ == State::thinking && look_for_end()) {
  }
}

bool ThoughtFilter::look_for_word(std::string& out) {
  auto const first = kept_.find_first_not_of(blanks);
  if (first == std::string::npos) return false;
  auto const text = std::string_view(kept_).substr(first);
  for (auto const& [opening, closing] : thought_tags) {
    if (text.starts_with(opening)) {
      closing_ = closing;
      state_ = State::thinking;
      kept_.erase(0, first + opening.size());
      return true;
    }
    if (opening.starts_with(text)) return false;
  }
  state_ = State::speaking;
  out.append(has_thought_ ? text : kept_);
  std::string{}.swap(kept_);
  return false;
}

bool ThoughtFilter::look_for_end() {
  auto const end = kept_.find(closing_);
  if (end == std::string::npos) {
    // Only what may be the beginning of the tag is kept: thoughts are long.
    if (kept_.size() >= closing_.size()) kept_.erase(0, kept_.size() - closing_.size() + 1);
    return false;
  }
  kept_.erase(0, end + closing_.size());
  has_thought_ = true;
  state_ = State::beginning;
  return true;
}

void ThoughtFilter::finish(std::string& out) {
  if (state_ != State::beginning) return;
  auto const first = has_thought_ ? std::min(kept_.find_first_not_of(blanks), kept_.size()) : 0;
  out.append(std::exchange(kept_, {}), first);
}

std::string_view words_behind_thought(std::string_view text) {
  auto const end = text.find(usual_tags.closing);
  if (end == std::string_view::npos || text[text.find_first_not_of(blanks)] == '{') return text;
  if (text.substr(0, end).find(usual_tags.opening) != std::string_view::npos) return text;
  text.remove_prefix(end + usual_tags.closing.size());
  return text.substr(std::min(text.find_first_not_of(blanks), text.size()));
}

}  // namespace omnibus::llm
