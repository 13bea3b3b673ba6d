/// Tool calls from the pieces in which they come. Pure.
#pragma once

#include "llm/answer_chunk.hpp"
#include "llm/llm.hpp"
#include "llm/oddity.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace omnibus::llm {

/// Puts each piece to its call. An id names a call, a new one begins a call. An index only says which pieces belong
/// together: any number may be the first, and gaps mean nothing. Where neither is given, a name begins a call. A name
/// that is repeated is taken once, and another name is another call's, whatever the index or the id says.
class ToolCallAssembler {
 public:
  /// More calls than anyone makes: an answer with so many is broken.
  static constexpr std::size_t max_calls = 128;

  /// False when there are too many calls.
  bool take(CallPiece const& piece);
  bool empty() const { return calls_.empty(); }
  /// The bytes of all arguments so far.
  std::size_t bytes() const { return bytes_; }

  /// The calls in the order of their first appearance, each with a name, an id of its own, and arguments that are
  /// well-formed JSON if they can be made so; a call without a name is left out. `salt` tells made-up ids of one prompt
  /// apart: how many messages it has.
  std::vector<ToolCall> finish(std::size_t salt, Oddities& oddities) const;

 private:
  struct Call {
    std::optional<std::int64_t> index;
    ToolCall told;
  };
  Call* find(CallPiece const& piece);

  std::vector<Call> calls_;
  std::size_t bytes_ = 0;
};

/// Arguments as one JSON object, if they can be read as one: without half characters, the last one of several objects,
/// taken out of a string, `{}` when empty. Else as they are, and marked.
std::string readable_arguments(std::string_view text, Oddities& oddities);

}  // namespace omnibus::llm
