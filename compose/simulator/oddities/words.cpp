#include "compose/simulator/oddities/builders.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <boost/json.hpp>

namespace omnibus::simulator::odd {
namespace {

namespace json = boost::json;

constexpr std::string_view thought = "The customer is angry; I must be careful.";

json::array text_part(json::string const& text) {
  return {{{"type", "text"}, {"text", text}}};
}

json::object thinking_part() {
  return {{"type", "thinking"}, {"thinking", json::array{{{"type", "text"}, {"text", thought}}}}};
}

/// Puts the thought before the first words: in chunks of their own, or in this field of the message.
void think_in(Documents& documents, char const* field) {
  if (documents.size() == 1) {
    (*part_of(documents.front()))[field] = thought;
    return;
  }
  auto const first = documents.front();
  auto const half = thought.size() / 2;
  documents.insert(std::next(documents.begin()), {chunk_like(first, {{field, thought.substr(0, half)}}),
                                                  chunk_like(first, {{field, thought.substr(half)}})});
}

/// Takes all words out.
void say_nothing(Documents& documents) {
  for (auto& document : documents)
    if (auto* const words = words_in(document)) words->clear();
}

bool has_calls(Documents& documents) {
  for (auto& document : documents)
    if (calls_in(document) != nullptr) return true;
  return false;
}

/// Puts markup before the first words.
void begin_with(Documents& documents, std::string const& markup) {
  if (has_calls(documents)) return;
  if (documents.size() == 1) {
    if (auto* const words = words_in(documents.front())) words->insert(0, markup);
    return;
  }
  auto const first = documents.front();
  // Cut within the tags, as tokens are.
  documents.insert(std::next(documents.begin()),
                   {chunk_like(first, {{"content", markup.substr(0, 4)}}),
                    chunk_like(first, {{"content", markup.substr(4, markup.size() - 10)}}),
                    chunk_like(first, {{"content", markup.substr(markup.size() - 6)}})});
}

}  // namespace

void content_in_parts(Documents& documents) {
  for (auto& document : documents)
    if (auto* const words = words_in(document)) (*part_of(document))["content"] = text_part(json::string(*words));
}

void thought_in_parts(Documents& documents) {
  if (documents.size() == 1) {
    if (auto* const words = words_in(documents.front())) {
      auto parts = text_part(json::string(*words));
      parts.insert(parts.begin(), thinking_part());
      (*part_of(documents.front()))["content"] = std::move(parts);
    }
    return;
  }
  documents.insert(std::next(documents.begin()),
                   chunk_like(documents.front(), {{"content", json::array{thinking_part()}}}));
}

void thought_in_tags(Documents& documents) {
  begin_with(documents, "<think>\n" + std::string(thought) + "\n</think>\n\n");
}

void thought_without_opening_tag(Documents& documents) {
  begin_with(documents, std::string(thought) + "\n</think>\n\n");
}

void thought_in_channels(Documents& documents) {
  begin_with(documents, "<|channel|>analysis<|message|>" + std::string(thought) +
                            "<|end|><|start|>assistant<|channel|>final<|message|>");
}

void thought_in_reasoning_content(Documents& documents) {
  think_in(documents, "reasoning_content");
}

void thought_in_reasoning(Documents& documents) {
  think_in(documents, "reasoning");
}

void only_thought(Documents& documents) {
  if (has_calls(documents)) return;
  say_nothing(documents);
  think_in(documents, "reasoning_content");
  finish_with(documents, "length");
}

void only_blanks(Documents& documents) {
  if (has_calls(documents)) return;
  for (auto& document : documents)
    if (auto* const words = words_in(document)) *words = "\n ";
}

void nothing_said(Documents& documents) {
  if (has_calls(documents)) return;
  say_nothing(documents);
  finish_with(documents, "stop");
}

void repeated_at_the_end(Documents& documents) {
  json::string all;
  for (auto& document : documents) {
    if (auto* const words = words_in(document)) all.append(*words);
    if (!finish_of(document).empty() && !all.empty()) (*part_of(document))["content"] = all;
  }
}

void filtered_midway(Documents& documents) {
  if (has_calls(documents)) return;
  std::vector<json::string*> said;
  for (auto& document : documents)
    if (auto* const words = words_in(document)) said.push_back(words);
  if (said.size() == 1) said.front()->resize(std::min(said.front()->size(), said.front()->find(' ')));
  for (auto i = said.size() / 2; said.size() > 1 && i < said.size(); ++i) said[i]->clear();
  finish_with(documents, "content_filter");
}

void refusal_in_its_field(Answer& answer) {
  if (!answer.calls.empty()) return;
  answer.text.clear();
  answer.refusal = "I'm sorry, I can't help with that.";
}

void call_as_text(Answer& answer) {
  if (answer.calls.empty()) return;
  auto const& call = answer.calls.front();
  answer.text = "<tool_call>\n{\"name\": \"" + call.name + "\", \"arguments\": " + call.arguments + "}\n</tool_call>";
  answer.calls.clear();
  answer.finish_reason = "stop";
}

std::optional<OddReply> half_a_pair(UsualAnswer const& usual) {
  if (!usual.answer.calls.empty()) return std::nullopt;
  constexpr std::string_view high = "@HIGH@";
  constexpr std::string_view low = "@LOW@";
  auto documents = documents_of(usual);
  if (usual.stream) {
    auto const first = documents.front();
    auto at = documents.end() - (usual.include_usage ? 2 : 1);
    documents.insert(at, {chunk_like(first, {{"content", high}}), chunk_like(first, {{"content", low}}),
                          chunk_like(first, {{"content", " bye"}})});
  } else if (auto* const words = words_in(documents.front())) {
    words->append(std::string(high) + std::string(low) + " bye");
  }
  auto reply = framed(documents, usual.stream);
  reply.body.replace(reply.body.find(high), high.size(), "\\ud83d");
  reply.body.replace(reply.body.find(low), low.size(), "\\ude00");
  return reply;
}

}  // namespace omnibus::simulator::odd
