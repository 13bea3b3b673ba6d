#include "assistant/structured_text.hpp"

#include "json/limits.hpp"
#include "json/loose.hpp"
#include "json/members.hpp"
#include "json/repair.hpp"
#include "llm/ending.hpp"

#include <utility>
#include <vector>

namespace omnibus::assistant {
namespace {

constexpr json::Limits answer_limits{.bytes = 256 * 1024, .depth = 16, .array_length = 1'000};

constexpr std::size_t most_objects = 200;

constexpr std::string_view blanks = " \t\r\n";

/// Whether an object may begin here: a brace, then a key or the end. Other braces are part of the words around.
bool begins_object(std::string_view text) {
  auto const next = text.find_first_not_of(blanks, 1);
  return next != std::string_view::npos && (text[next] == '"' || text[next] == '}');
}

/// The outermost objects in a text, whether they are valid or not.
std::vector<std::string_view> objects_in(std::string_view text) {
  std::vector<std::string_view> objects;
  for (auto at = text.find('{'); at != std::string_view::npos; at = text.find('{', at)) {
    auto const rest = text.substr(at);
    if (!begins_object(rest)) {
      ++at;
      continue;
    }
    auto const object = json::LooseReader{rest}.raw();
    if (object.empty()) break;  // it does not end
    objects.push_back(object);
    at += object.size();
  }
  return objects;
}

/// Why an answer that ended so is not read; empty when it is.
std::string_view unreadable(llm::AnswerEnding ending) {
  switch (ending) {
    case llm::AnswerEnding::length:
      return "the answer was cut at its longest length";
    case llm::AnswerEnding::filter:
      return "the answer was ended by the content filter";
    case llm::AnswerEnding::refusal:
      return "the model refused to answer";
    case llm::AnswerEnding::error:
      return "the answer was ended by an error";
    case llm::AnswerEnding::none:
    case llm::AnswerEnding::stop:
    case llm::AnswerEnding::tool_calls:
      return {};
  }
  return {};
}

}  // namespace

StructuredText read_structured(std::string_view finish_reason, std::string_view text, AnswerShape const& shape,
                               std::function<std::optional<json::DecodeError>(std::string const&)> const& accept) {
  StructuredText result;
  auto const ending = llm::ending_of(finish_reason);
  result.cut = ending == llm::AnswerEnding::length;
  result.refused = ending == llm::AnswerEnding::refusal;
  result.wrong = unreadable(ending);
  if (!result.wrong.empty()) return result;
  result.wrong = "the answer holds no complete JSON object";
  if (text.size() > answer_limits.bytes) {
    result.wrong = "the answer is too long to be read";
    return result;
  }
  auto const objects = objects_in(text);
  if (objects.size() > most_objects) {
    result.wrong = "the answer holds too many objects";
    return result;
  }
  for (auto const found : objects) {
    auto const object = json::repaired_document(found);
    auto const invalid = json::each_member(object, answer_limits, [](auto const&) { return std::nullopt; });
    if (invalid) {
      if (result.document.empty()) result.wrong = invalid->message();
      continue;
    }
    auto fitted = fit(shape, object);
    auto misfit = fitted ? accept(*fitted) : std::optional{fitted.error()};
    if (misfit) {
      if (result.document.empty()) result.wrong = misfit->message();
      continue;
    }
    if (!result.document.empty() && result.document != *fitted) {
      result.document.clear();
      result.wrong = "the answer holds two different objects that fit";
      return result;
    }
    result.document = *std::move(fitted);
    result.wrong.clear();
  }
  return result;
}

std::string_view first_characters(std::string_view text, std::size_t most) {
  std::size_t characters = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    auto const begins = (static_cast<unsigned char>(text[at]) & 0xC0U) != 0x80U;
    if (begins && characters++ == most) return text.substr(0, at);
  }
  return text;
}

}  // namespace omnibus::assistant
