#include "llm/answer_turn.hpp"

#include "json/loose.hpp"
#include "json/repair.hpp"
#include "llm/answer_frames.hpp"
#include "llm/chunk_tails.hpp"
#include "llm/provider_error.hpp"
#include "text/words.hpp"

#include <algorithm>
#include <memory>
#include <utility>

namespace omnibus::llm {
namespace {

constexpr std::int64_t most_counted = 1'000'000'000;  // no call has more tokens
constexpr std::size_t longest_name = 256;             // of a model or a response
constexpr std::size_t usual_bytes = 240;              // of a short answer's text
constexpr std::size_t shortest_repetition = 16;       // a word may well be said twice

/// The chunk being read: its memory is used again by all answers of the thread.
Chunk& chunk_of_thread() {
  thread_local Chunk chunk;
  return chunk;
}

bool is_count(std::optional<std::int64_t> count) {
  return count && *count >= 0 && *count <= most_counted;
}

/// What the answers of the thread repeat.
ChunkTails& tails_of_thread() {
  thread_local ChunkTails tails;
  return tails;
}

/// Whether a chunk has words, and nothing else that is of use.
bool says_words_alone(Chunk const& chunk) {
  return chunk.has_choice && !chunk.is_whole && !chunk.is_error && !chunk.usage && chunk.calls.empty() &&
         chunk.refusal.empty() && chunk.finish_reason.empty();
}

void replace_name(std::string& name, std::string_view told) {
  if (told.empty() || told == name || told.size() > longest_name) return;
  name = json::repaired_text(told);
}

}  // namespace

std::string_view AnswerTurn::take(std::string_view frame, bool is_error, DeltaSink const& sink) {
  is_done_ = is_done_mark(frame);
  if (is_done_ || frame.empty()) return {};
  auto const is_array = frame.front() == '[';
  auto rest = take_document(frame, is_error, sink);
  if (rest.empty()) {
    auto const& chunk = chunk_of_thread();
    return is_array || !says_words_alone(chunk) ? std::string_view{} : chunk.words;
  }
  // Several documents, where a server leaves out the empty lines between events.
  while (!is_done_ && !rest.empty()) {
    is_done_ = is_done_mark(rest);
    if (!is_done_) rest = take_document(rest, is_error, sink);
  }
  return {};
}

// As take_chunk() does with such a chunk; its names are those of the one before.
void AnswerTurn::take_words(std::string_view words, DeltaSink const& sink) {
  if (words.empty()) return;
  goes_on_ = goes_on_ || has_ending();
  say(words, sink);
}

/// @return what follows the document.
std::string_view AnswerTurn::take_document(std::string_view frame, bool is_error, DeltaSink const& sink) {
  if (frame.front() == '[') return take_array(frame, is_error, sink);
  auto& chunk = chunk_of_thread();
  auto const rest = read_chunk(frame, chunk, front_, &tails_of_thread());
  auto const front = frame.substr(0, rest ? chunk.front : 0);
  if (front_ != front) front_ = front;
  if (!rest) {
    chunk.clear();
    take_unreadable(frame);
    return {};
  }
  chunk.is_error = chunk.is_error || (is_error && !chunk.has_choice);
  take_chunk(chunk, frame.substr(0, frame.size() - rest->size()), sink);
  return *rest;
}

/// Some servers put documents, an error above all, into an array.
std::string_view AnswerTurn::take_array(std::string_view frame, bool is_error, DeltaSink const& sink) {
  json::LooseReader reader(frame);
  auto const is_array = reader.array([&] {
    auto const element = reader.raw();
    if (element.starts_with('{')) take_document(element, is_error, sink);
  });
  if (is_array) return reader.rest();
  take_unreadable(frame);
  return {};
}

void AnswerTurn::take_unreadable(std::string_view text) {
  auto const begin = text.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos) return;
  completion_.oddities.add(Oddity::not_json);
  // Words that are no JSON are a server's sign of life; broken JSON may be a part of the answer.
  auto const is_json = text[begin] == '{' || text[begin] == '[';
  if (is_json && !has_ended())
    throw failure(LlmError(LlmError::Kind::protocol, "a part of the answer is not valid JSON"), Oddity::not_json);
}

void AnswerTurn::take_chunk(Chunk const& chunk, std::string_view document, DeltaSink const& sink) {
  if (chunk.is_error) {
    completion_.oddities.add(Oddity::error);
    if (has_ended()) return;
    throw failure(error_from(0, document, {}), Oddity::error);
  }
  if (completion_.response_id.empty()) replace_name(completion_.response_id, chunk.id);
  replace_name(completion_.model, chunk.model);
  if (chunk.usage) take_usage(*chunk.usage);
  if (!chunk.has_choice) return;
  has_choice_ = true;
  if (auto const ending = ending_of(chunk.finish_reason); ending != AnswerEnding::none) {
    ending_ = ending;
    goes_on_ = false;
  } else if (has_ending() && !chunk.is_whole && (!chunk.text.empty() || !chunk.calls.empty())) {
    goes_on_ = true;
  }
  if (chunk.is_whole) {
    is_whole_ = true;
    if (has_begun_) return;  // some servers end a stream with all of it once more
  }
  if (!chunk.text.empty() && !repeats_all(chunk)) say(chunk.text, sink);
  refusal_ += chunk.refusal;
  for (auto const& piece : chunk.calls) {
    has_begun_ = true;
    if (calls_.take(piece)) continue;
    throw failure(LlmError(LlmError::Kind::protocol, "the answer has too many tool calls"), Oddity::too_many_calls);
  }
}

void AnswerTurn::take_usage(UsageReport const& report) {
  auto const is_possible =
      is_count(report.input) && is_count(report.output) && (*report.input > 0 || *report.output > 0);
  if (!is_possible) {
    // Zeros come with every chunk of some servers, before the counts.
    if (report.input != 0 || report.output != 0) completion_.oddities.add(Oddity::usage);
    return;
  }
  has_usage_ = true;
  auto& usage = completion_.usage;
  usage.input = *report.input;
  usage.output = *report.output;
  usage.cached = is_count(report.cached) ? std::min(*report.cached, usage.input) : 0;
  usage.reasoning = is_count(report.reasoning) ? std::min(*report.reasoning, usage.output) : 0;
}

/// Some servers say everything once more in the chunk that ends the stream.
bool AnswerTurn::repeats_all(Chunk const& chunk) const {
  return !chunk.finish_reason.empty() && pieces_ > 1 && chunk.text.size() >= shortest_repetition &&
         chunk.text == completion_.text;
}

void AnswerTurn::say(std::string_view text, DeltaSink const& sink) {
  text_bytes_ += text.size();
  ++pieces_;
  auto const said = completion_.text.size();
  if (said == 0) completion_.text.reserve(usual_bytes);
  if (thoughts_.speaks_with(text)) {
    mender_.append(completion_.text, text);
  } else {
    std::string whole_characters;
    mender_.append(whole_characters, text);
    thoughts_.append(completion_.text, whole_characters);
  }
  pass_on(said, sink);
}

/// Passes on what has been said since.
void AnswerTurn::pass_on(std::size_t said, DeltaSink const& sink) {
  auto const piece = std::string_view(completion_.text).substr(said);
  if (piece.empty()) return;
  has_begun_ = true;
  if (sink) sink(piece);
}

void AnswerTurn::flush(DeltaSink const& sink) {
  auto const said = completion_.text.size();
  std::string last_characters;
  mender_.finish(last_characters);
  thoughts_.append(completion_.text, last_characters);
  thoughts_.finish(completion_.text);
  pass_on(said, sink);
}

ChatCompletion AnswerTurn::finish(DeltaSink const& sink) {
  using Kind = LlmError::Kind;
  if (!is_done_ && !has_ending()) {
    auto const is_foreign = !has_choice_ && completion_.oddities.has(Oddity::not_json);
    throw failure(LlmError(Kind::protocol, "the body ended before the answer did"),
                  is_foreign ? Oddity::not_json : Oddity::cut);
  }
  if (ending_ == AnswerEnding::error)
    throw failure(LlmError(Kind::unavailable, "the model ended with an error"), Oddity::error);
  flush(sink);
  if (auto const words = words_behind_thought(completion_.text);
      !thoughts_.has_thought() && words.size() < completion_.text.size())
    completion_.text = std::string(words);
  if (mender_.has_mended()) completion_.oddities.add(Oddity::unicode);
  completion_.tool_calls = calls_.finish(messages_, completion_.oddities);
  if (completion_.tool_calls.empty() && !has_words(completion_.text)) {
    auto refusal = json::repaired_text(refusal_);
    if (!has_words(refusal)) throw failure(LlmError(Kind::no_words, "the answer has no words"), Oddity::no_words);
    ending_ = AnswerEnding::refusal;
    auto const said = completion_.text.size();
    completion_.text += refusal;
    pass_on(said, sink);
  }
  completion_.finish_reason = to_string(ending_);
  completion_.usage = usage();
  return std::move(completion_);
}

Usage AnswerTurn::usage() const {
  if (has_usage_) return completion_.usage;
  Usage usage;
  usage.estimated = true;
  usage.input = estimated_input_;
  usage.output = static_cast<std::int64_t>((text_bytes_ + calls_.bytes() + 3) / 4);
  return usage;
}

LlmError AnswerTurn::failure(LlmError const& error, Oddity oddity) const {
  auto remains = std::make_shared<ChatCompletion>();
  remains->oddities = completion_.oddities;
  remains->oddities.add(oddity);
  remains->model = completion_.model;
  remains->finish_reason = to_string(ending_);
  if (has_choice_ || has_usage_) remains->usage = usage();  // else nothing shows that the model was at work
  return LlmError(error.kind(), error.what(), error.retry_after(), std::move(remains));
}

}  // namespace omnibus::llm
