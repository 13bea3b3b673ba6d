/// What stands behind the names of chunks, and repeats from answer to answer. Pure.
#pragma once

#include "llm/answer_chunk.hpp"

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// A server writes nearly all chunks alike from the value of `choices` on, except for the words. Remembers a few such
/// tails with what they say, and reads others by comparing the bytes around their words. As strict as reading in full:
/// whatever differs anywhere else is not taken. Where no tail repeats, as with a server that writes something random
/// behind the words, it tries only a few chunks more. Not thread-safe.
class ChunkTails {
 public:
  /// Fills `chunk`, which is clear except for its names and its front, from a text that begins with a tail.
  /// @return what follows the tail; nothing, and `chunk` says nothing, when none of those that are known fits.
  std::optional<std::string_view> take(std::string_view text, Chunk& chunk);
  /// Learns from a chunk that was read in full, if it says nothing but words and the ending.
  /// @param tail of its document
  void learn(std::string_view tail, Chunk const& chunk);

 private:
  static constexpr std::size_t most_known = 8;
  static constexpr std::size_t longest = 256;  // longer ones, as with the odds of each word, do not repeat

  struct Tail {
    std::string before;  // up to the string with the words
    std::string after;   // behind it
    std::string finish_reason;
    bool has_words = false;
    bool has_choice = false;
  };
  static constexpr unsigned most_misses = 32;  // in a row; from then on one chunk in as many is tried and learned

  static bool read(Tail const& tail, std::string_view& text, Chunk& chunk);
  bool rests() const { return misses_ > most_misses && misses_ % most_misses != 0; }

  std::array<Tail, most_known> known_;  // one without `before` is not set
  std::size_t next_ = 0;                // to be replaced
  unsigned misses_ = 0;                 // since a tail fitted
};

}  // namespace omnibus::llm
