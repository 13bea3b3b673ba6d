#include "text/likeness.hpp"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <limits>
#include <stdexcept>
#include <utility>

#include <unicode/normalizer2.h>
#include <unicode/uchar.h>
#include <unicode/unistr.h>

namespace omnibus {
namespace {

using Words = std::vector<std::u32string>;

bool is_accent(UChar32 c) {
  return c >= 0x0300 && c <= 0x036F;  // marks of other scripts are vowels, and stay
}

/// The message without case, width and accents.
icu::UnicodeString folded(std::string_view utf8) {
  if (utf8.size() > std::numeric_limits<std::int32_t>::max() / 4)
    throw std::length_error("a message of more than 512 MiB");
  auto error = U_ZERO_ERROR;
  auto const& folding = *icu::Normalizer2::getNFKCCasefoldInstance(error);
  auto const& apart = *icu::Normalizer2::getNFDInstance(error);
  auto const text = icu::UnicodeString::fromUTF8({utf8.data(), static_cast<std::int32_t>(utf8.size())});
  auto const result = apart.normalize(folding.normalize(text, error), error);
  if (U_FAILURE(error)) throw std::runtime_error(std::string{"ICU cannot fold a text: "} + u_errorName(error));
  return result;
}

/// What white space separates. `keep_marks`: with punctuation.
Words split(icu::UnicodeString const& text, bool keep_marks) {
  Words words(1);
  for (std::int32_t i = 0; i < text.length(); i = text.moveIndex32(i, 1)) {
    auto const c = text.char32At(i);
    if (u_isUWhiteSpace(c) || u_iscntrl(c)) {
      if (!words.back().empty()) words.emplace_back();
    } else if (!is_accent(c) && (keep_marks || !u_ispunct(c))) {
      words.back() += static_cast<char32_t>(c);
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

std::u32string joined(Words const& words, std::size_t first, std::size_t last) {
  std::u32string text;
  for (auto i = first; i < last; ++i) {
    if (i > first) text += U' ';
    text += words[i];
  }
  return text;
}

Words sorted(Words runs) {
  std::sort(runs.begin(), runs.end());
  runs.erase(std::unique(runs.begin(), runs.end()), runs.end());
  return runs;
}

double jaccard(Words const& one, Words const& other) {
  Words shared;
  std::set_intersection(one.begin(), one.end(), other.begin(), other.end(), std::back_inserter(shared));
  return static_cast<double>(shared.size()) / static_cast<double>(one.size() + other.size() - shared.size());
}

}  // namespace

MessageShape::MessageShape(std::string_view utf8) {
  auto const text = folded(utf8);
  auto words = split(text, false);
  if (words.empty()) words = split(text, true);  // nothing but punctuation
  text_ = joined(words, 0, words.size());
  for (std::size_t i = 0; i + 3 <= words.size(); ++i) words_.push_back(joined(words, i, i + 3));
  for (std::size_t i = 0; i + 3 <= text_.size(); ++i) characters_.push_back(text_.substr(i, 3));
  words_ = sorted(std::move(words_));
  characters_ = sorted(std::move(characters_));
}

double likeness(MessageShape const& one, MessageShape const& other) {
  if (!one.words_.empty() && !other.words_.empty()) return jaccard(one.words_, other.words_);
  if (!one.characters_.empty() && !other.characters_.empty()) return jaccard(one.characters_, other.characters_);
  return one.text_ == other.text_ ? 1.0 : 0.0;
}

std::vector<bool> find_repeats(std::span<std::string const> messages) {
  std::vector<MessageShape> earlier;
  std::vector<bool> repeats;
  for (auto const& message : messages) {
    MessageShape shape{message};
    repeats.push_back(std::any_of(earlier.begin(), earlier.end(),
                                  [&](MessageShape const& each) { return likeness(each, shape) >= repeats_from; }));
    earlier.push_back(std::move(shape));
  }
  return repeats;
}

}  // namespace omnibus
