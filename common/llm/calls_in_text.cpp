#include "llm/calls_in_text.hpp"

#include "json/loose.hpp"
#include "llm/ending.hpp"
#include "llm/tool_calls.hpp"

#include <algorithm>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::llm {
namespace {

constexpr std::string_view opening = "<tool_call>";
constexpr std::string_view closing = "</tool_call>";
constexpr std::string_view blanks = " \t\r\n";

std::string_view trimmed(std::string_view text) {
  auto const first = std::min(text.find_first_not_of(blanks), text.size());
  return text.substr(first, text.find_last_not_of(blanks) + 1 - first);
}

/// The call that the next object of the reader describes; nothing unless it is one of an offered tool.
std::optional<CallPiece> read_call(json::LooseReader& reader, OfferedTools const& tools) {
  CallPiece piece;
  auto fits = true;
  auto const is_object = reader.object([&](std::string_view key) {
    if (key == "name") {
      fits = piece.name.empty() && reader.string(piece.name) && fits;
    } else if (key == "arguments" || key == "parameters") {
      fits = piece.arguments.empty() && (reader.peek() == '{' || reader.peek() == '"') && fits;
      if (fits && !reader.string(piece.arguments)) piece.arguments = reader.raw();
    }
  });
  if (!is_object || !fits || !tools.names.contains(piece.name)) return std::nullopt;
  if (!piece.arguments.empty() && !json::is_loose_object(piece.arguments)) return std::nullopt;
  return piece;
}

/// The calls that a text is made of; none if it has anything else.
std::vector<CallPiece> read_calls(std::string_view text, OfferedTools const& tools) {
  std::vector<CallPiece> pieces;
  json::LooseReader reader(text);
  while (reader.peek() == '{') {
    auto piece = read_call(reader, tools);
    if (!piece) return {};
    pieces.push_back(*std::move(piece));
  }
  return reader.good() && reader.rest().empty() ? pieces : std::vector<CallPiece>{};
}

}  // namespace

OfferedTools::OfferedTools(ChatRequest const& request) {
  for (auto const& tool : request.tools) names.insert(tool.name);
  are_known = !names.empty() ||
              std::ranges::any_of(request.messages, [](Message const& message) { return !message.tool_calls.empty(); });
}

void take_calls_in_text(ChatCompletion& completion, OfferedTools const& tools, std::size_t messages) {
  if (!tools.are_known) return;
  std::string_view rest = completion.text;
  std::vector<CallPiece> pieces = read_calls(rest, tools);
  auto const is_all_calls = !pieces.empty();
  std::string words;
  auto has_markup = false;
  while (!is_all_calls) {
    auto const begin = rest.find(opening);
    words += rest.substr(0, begin);
    if (begin == std::string_view::npos) break;
    has_markup = true;
    rest.remove_prefix(begin + opening.size());
    auto const end = std::min(rest.find(closing), rest.size());
    for (auto& piece : read_calls(rest.substr(0, end), tools)) pieces.push_back(std::move(piece));
    rest.remove_prefix(std::min(end + closing.size(), rest.size()));
  }
  if (!has_markup && !is_all_calls) return;
  completion.oddities.add(Oddity::call_in_text);
  completion.text = trimmed(words);
  if (!completion.tool_calls.empty() || pieces.empty()) return;
  ToolCallAssembler calls;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    pieces[i].index = static_cast<std::int64_t>(i);
    if (!calls.take(pieces[i])) break;
  }
  completion.tool_calls = calls.finish(messages, completion.oddities);
  completion.finish_reason = to_string(AnswerEnding::tool_calls);
}

}  // namespace omnibus::llm
