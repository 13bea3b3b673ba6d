#include "llm/chunk_tails.hpp"

#include "json/loose.hpp"

namespace omnibus::llm {

std::optional<std::string_view> ChunkTails::take(std::string_view text, Chunk& chunk) {
  ++misses_;
  if (rests()) return std::nullopt;
  for (auto const& tail : known_) {
    if (tail.before.empty() || !read(tail, text, chunk)) continue;
    misses_ = 0;
    return text;
  }
  return std::nullopt;
}

/// Takes the tail off the text.
bool ChunkTails::read(Tail const& tail, std::string_view& text, Chunk& chunk) {
  if (!text.starts_with(tail.before)) return false;
  auto rest = text.substr(tail.before.size());
  if (tail.has_words) {
    json::LooseReader reader(rest);
    chunk.words = rest;
    if (!rest.starts_with('"') || !reader.string(chunk.text) || !reader.remaining_text().starts_with(tail.after)) {
      chunk.text.clear();
      chunk.words = {};
      return false;
    }
    rest = reader.remaining_text();
    chunk.words.remove_suffix(rest.size());
  } else if (!rest.starts_with(tail.after)) {
    return false;
  }
  text = rest.substr(tail.after.size());
  chunk.has_choice = tail.has_choice;
  chunk.finish_reason = tail.finish_reason;
  return true;
}

void ChunkTails::learn(std::string_view tail, Chunk const& chunk) {
  if (rests()) return;
  auto const says_more = chunk.is_whole || chunk.is_error || chunk.usage || !chunk.calls.empty() ||
                         !chunk.refusal.empty() || (chunk.words.empty() && !chunk.text.empty());
  if (says_more || tail.size() > longest + chunk.words.size()) return;
  auto& place = known_[next_];
  next_ = (next_ + 1) % known_.size();
  auto const words = chunk.words.empty() ? tail.size() : static_cast<std::size_t>(chunk.words.data() - tail.data());
  place.before = tail.substr(0, words);
  place.after = tail.substr(words + chunk.words.size());
  place.finish_reason = chunk.finish_reason;
  place.has_words = !chunk.words.empty();
  place.has_choice = chunk.has_choice;
}

}  // namespace omnibus::llm
