/// What one JSON document of a model's answer says: a chunk of a stream, or an answer that comes whole. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::llm {

class ChunkTails;

/// A piece of a tool call.
struct CallPiece {
  std::optional<std::int64_t> index;
  std::string id, name, arguments;
  bool is_whole = false;  ///< the arguments came as an object, and not as a piece of text
};

/// Token counts, where they can be read.
struct UsageReport {
  std::optional<std::int64_t> input, output, cached, reasoning;
};

/// The texts may have halves of characters, which a json::TextMender joins.
struct Chunk {
  std::string id, model, text, refusal, finish_reason;
  std::vector<CallPiece> calls;
  std::optional<UsageReport> usage;
  /// Where `text` is one string of a delta: that string as it stands in the document, with its quotes. Any other
  /// string in its place would change `text`, and nothing else.
  std::string_view words;
  /// How much of the document stands before the value of `choices`; 0 where that is more than names.
  std::size_t front = 0;
  bool has_choice = false;
  bool is_whole = false;  ///< a message, and not a delta
  bool is_error = false;

  void clear();
};

/// Reads the document at the front of `text`. Demands nothing but JSON: what is missing, unknown, doubled or of another
/// type than expected is as if it were not there. Appends to no earlier content of `chunk`, but uses its memory again.
/// @param known the front of a chunk that was read before: a text that begins with the same bytes is read on behind
/// them, and its names, which are the same, stay empty in `chunk`
/// @param tails what chunks of other answers had in common, to read others faster; may be null
/// @return what follows the document; nothing when it is not JSON.
std::optional<std::string_view> read_chunk(std::string_view text, Chunk& chunk, std::string_view known = {},
                                           ChunkTails* tails = nullptr);

}  // namespace omnibus::llm
