#include "llm/answer_chunk.hpp"

#include "json/loose.hpp"
#include "llm/chunk_tails.hpp"

#include <utility>

namespace omnibus::llm {
namespace {

using json::LooseReader;

/// Replaces `out` by a string value; leaves it for any other.
void read_text(LooseReader& reader, std::string& out) {
  if (reader.peek() != '"') return;
  out.clear();
  reader.string(out);
}

/// An id: a string, or a number or the like as it is written.
void read_id(LooseReader& reader, std::string& out) {
  if (reader.peek() == '"') return read_text(reader, out);
  auto const raw = reader.raw();
  if (raw != "null") out = raw;
}

/// A part of `content`: words, a refusal, or something that is not for people.
void read_part(LooseReader& reader, Chunk& chunk) {
  if (reader.string(chunk.text)) return;
  std::string type, words, refusal;
  reader.object([&](std::string_view key) {
    if (key == "type") read_text(reader, type);
    if (key == "text") read_text(reader, words);
    if (key == "refusal") read_text(reader, refusal);
  });
  if (type.empty() || type == "text" || type == "output_text") chunk.text += words;
  chunk.refusal += refusal;
}

void read_content(LooseReader& reader, Chunk& chunk) {
  auto const first = reader.peek();
  if (first == '"') {
    chunk.words = reader.rest();
    read_text(reader, chunk.text);
    chunk.words.remove_suffix(reader.remaining());
    return;
  }
  if (first != '[' && first != '{') return;
  chunk.text.clear();
  chunk.words = {};
  if (first == '{') return read_part(reader, chunk);
  reader.array([&] { read_part(reader, chunk); });
}

/// What a function call and a piece of a tool call have in common: some servers leave out the level between them.
void read_call_field(LooseReader& reader, std::string_view key, CallPiece& piece) {
  if (key == "name") return read_text(reader, piece.name);
  if (key != "arguments") return;
  piece.is_whole = reader.peek() == '{';
  if (piece.is_whole) {
    piece.arguments = reader.raw();
  } else {
    read_text(reader, piece.arguments);
  }
}

void read_call(LooseReader& reader, Chunk& chunk) {
  CallPiece piece;
  auto const is_call = reader.object([&](std::string_view key) {
    if (key == "index") {
      piece.index = reader.integer();
    } else if (key == "id") {
      read_id(reader, piece.id);
    } else if (key == "function") {
      reader.object([&](std::string_view part) { read_call_field(reader, part, piece); });
    } else {
      read_call_field(reader, key, piece);
    }
  });
  if (is_call) chunk.calls.push_back(std::move(piece));
}

void read_calls(LooseReader& reader, Chunk& chunk) {
  auto const first = reader.peek();
  if (first != '[' && first != '{') return;
  chunk.calls.clear();
  if (first == '{') return read_call(reader, chunk);
  reader.array([&] { read_call(reader, chunk); });
}

void read_message(LooseReader& reader, Chunk& chunk) {
  reader.object([&](std::string_view key) {
    if (key == "content") {
      read_content(reader, chunk);
    } else if (key == "tool_calls") {
      read_calls(reader, chunk);
    } else if (key == "function_call" && chunk.calls.empty() && reader.peek() == '{') {
      read_call(reader, chunk);
    } else if (key == "refusal") {
      read_text(reader, chunk.refusal);
    }
  });
}

void read_details(LooseReader& reader, std::string_view wanted, std::optional<std::int64_t>& count) {
  reader.object([&](std::string_view key) {
    if (key == wanted) count = reader.integer();
  });
}

void read_usage(LooseReader& reader, Chunk& chunk) {
  if (reader.peek() == 'n') return;  // null
  auto& usage = chunk.usage.emplace();
  reader.object([&](std::string_view key) {
    if (key == "prompt_tokens" || key == "input_tokens") {
      usage.input = reader.integer();
    } else if (key == "completion_tokens" || key == "output_tokens") {
      usage.output = reader.integer();
    } else if (key == "prompt_tokens_details") {
      read_details(reader, "cached_tokens", usage.cached);
    } else if (key == "completion_tokens_details") {
      read_details(reader, "reasoning_tokens", usage.reasoning);
    }
  });
}

void read_choice(LooseReader& reader, Chunk& chunk) {
  auto has_delta = false;
  chunk.has_choice = reader.object([&](std::string_view key) {
    if (key == "delta") {
      if (reader.peek() != '{') return;
      has_delta = true;
      chunk.is_whole = false;
      chunk.text.clear();
      chunk.words = {};
      chunk.calls.clear();
      read_message(reader, chunk);
    } else if (key == "finish_reason") {
      read_text(reader, chunk.finish_reason);
    } else if (key == "message") {
      // Beside a delta it repeats what the deltas have said.
      if (has_delta || reader.peek() != '{') return;
      chunk.is_whole = true;
      read_message(reader, chunk);
    } else if (key == "text") {
      if (has_delta || chunk.is_whole) return;
      read_text(reader, chunk.text);
      chunk.words = {};
    } else if (key == "usage") {
      read_usage(reader, chunk);
    }
  });
}

void read_choices(LooseReader& reader, Chunk& chunk) {
  if (reader.peek() == '{') return read_choice(reader, chunk);
  auto is_first = true;
  reader.array([&] {
    if (std::exchange(is_first, false)) read_choice(reader, chunk);
  });
}

/// Whether the value of a field `error` is an error: servers also send it empty.
bool is_error(std::string_view value) {
  for (std::string_view const none : {"null", "false", "0", "\"\"", "{}", "[]"})
    if (value == none) return false;
  return true;
}

/// Errors without a field `error`: the document itself is one.
struct ErrorWithoutField {
  std::string kind;  ///< of `object` or `type`
  bool has_message = false;

  bool is_error() const { return has_message || kind == "error"; }
};

/// Reads a document, or with `known` what follows that beginning of it.
/// @return what follows the document; nothing when it is broken
std::optional<std::string_view> read_document(std::string_view text, LooseReader& reader, Chunk& chunk,
                                              std::string_view known, ChunkTails* tails) {
  ErrorWithoutField top;
  auto is_front = known.empty();
  auto is_behind_front = !known.empty();
  std::optional<std::string_view> behind_tail;
  chunk.front = known.size();
  auto const take = [&](std::string_view key) {
    auto const is_name = key == "id" || key == "model";
    if (is_name && !is_front) chunk.front = 0;  // it may say something else than the front
    if (is_front && key == "choices") {
      chunk.front = text.size() - reader.remaining();
      is_behind_front = top.kind != "error";
    }
    is_front = is_front && (is_name || key == "object" || key == "created");
    if (std::exchange(is_behind_front, false) && tails != nullptr) {
      behind_tail = tails->take(reader.remaining_text(), chunk);
      if (behind_tail) {
        reader = LooseReader(std::string_view{});  // the rest is known
        return;
      }
    }
    if (key == "choices") {
      read_choices(reader, chunk);
    } else if (key == "id") {
      read_id(reader, chunk.id);
    } else if (key == "model") {
      read_text(reader, chunk.model);
    } else if (key == "usage") {
      read_usage(reader, chunk);
    } else if (key == "error" || key == "errors") {
      chunk.is_error = is_error(reader.raw()) || chunk.is_error;
    } else if (key == "object" || key == "type") {
      if (top.kind != "error") read_text(reader, top.kind);
    } else if (key == "message" || key == "detail") {
      top.has_message = top.has_message || reader.peek() == '"' || reader.peek() == '[';
    }
  };
  if (known.empty()) {
    reader.object(take);
  } else {
    reader.object_from("choices", take);
  }
  if (behind_tail) return LooseReader(*behind_tail).rest();
  if (top.kind == "error") chunk.front = 0;
  if (!chunk.has_choice && top.is_error()) chunk.is_error = true;
  if (!reader.good()) return std::nullopt;
  auto const size = text.size() - reader.remaining();
  if (chunk.front > 0 && tails != nullptr) tails->learn(text.substr(chunk.front, size - chunk.front), chunk);
  return reader.rest();
}

}  // namespace

void Chunk::clear() {
  for (auto* const each : {&id, &model, &text, &refusal, &finish_reason}) each->clear();
  calls.clear();
  words = {};
  front = 0;
  usage.reset();
  has_choice = is_whole = is_error = false;
}

std::optional<std::string_view> read_chunk(std::string_view text, Chunk& chunk, std::string_view known,
                                           ChunkTails* tails) {
  chunk.clear();
  if (known.empty() || !text.starts_with(known)) known = {};
  LooseReader reader(text.substr(known.size()));
  if (known.empty() && reader.peek() != '{') return std::nullopt;
  return read_document(text, reader, chunk, known, tails);
}

}  // namespace omnibus::llm
