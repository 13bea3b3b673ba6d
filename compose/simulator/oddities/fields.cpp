#include "compose/simulator/oddities/builders.hpp"

#include <boost/json.hpp>

namespace omnibus::simulator::odd {
namespace {

namespace json = boost::json;

json::object filter_results() {
  json::object verdicts;
  for (auto const* const kind : {"hate", "self_harm", "sexual", "violence"})
    verdicts[kind] = {{"filtered", false}, {"severity", "safe"}};
  return verdicts;
}

/// A chunk of Azure's, which belongs to no answer yet.
json::object nameless() {
  return {{"id", ""}, {"object", ""}, {"created", 0}, {"model", ""}, {"choices", json::array{}}};
}

/// What the documents' finish reason becomes where there is none yet.
void unfinished_as(Documents& documents, json::value const& value) {
  for (auto& document : documents)
    if (auto* const choice = choice_of(document); choice != nullptr && finish_of(document).empty())
      (*choice)["finish_reason"] = value;
}

}  // namespace

void filter_results_first(Documents& documents) {
  auto chunk = nameless();
  chunk["prompt_filter_results"] = json::array{{{"prompt_index", 0}, {"content_filter_results", filter_results()}}};
  documents.insert(documents.begin(), std::move(chunk));
}

void filter_results_later(Documents& documents) {
  auto chunk = nameless();
  json::object choice{{"index", 0}, {"finish_reason", nullptr}, {"content_filter_results", filter_results()}};
  choice["content_filter_offsets"] = {{"check_offset", 44}, {"start_offset", 44}, {"end_offset", 198}};
  chunk["choices"] = json::array{std::move(choice)};
  documents.push_back(std::move(chunk));
}

void choices_null(Documents& documents) {
  for (auto& document : documents)
    if (choice_of(document) == nullptr) document["choices"] = nullptr;
}

void choices_missing(Documents& documents) {
  for (auto& document : documents)
    if (choice_of(document) == nullptr) document.erase("choices");
}

void delta_null(Documents& documents) {
  for (auto& document : documents)
    if (!finish_of(document).empty()) (*choice_of(document))["delta"] = nullptr;
}

void delta_missing(Documents& documents) {
  for (auto& document : documents)
    if (!finish_of(document).empty()) choice_of(document)->erase("delta");
}

void finish_empty(Documents& documents) {
  unfinished_as(documents, "");
}

void finish_null_as_text(Documents& documents) {
  unfinished_as(documents, "null");
}

void finish_in_every_chunk(Documents& documents) {
  unfinished_as(documents, "stop");
}

void finish_with_the_last_words(Documents& documents) {
  for (std::size_t i = 1; i < documents.size(); ++i) {
    if (finish_of(documents[i]).empty()) continue;
    (*choice_of(documents[i - 1]))["finish_reason"] = finish_of(documents[i]);
    documents.erase(documents.begin() + static_cast<std::ptrdiff_t>(i));
    return;
  }
}

void finish_twice(Documents& documents) {
  for (std::size_t i = 0; i < documents.size(); ++i) {
    if (finish_of(documents[i]).empty()) continue;
    auto const again = documents[i];
    documents.insert(documents.begin() + static_cast<std::ptrdiff_t>(i), again);
    return;
  }
}

void no_finish(Documents& documents) {
  for (auto& document : documents)
    if (!finish_of(document).empty()) (*choice_of(document))["finish_reason"] = nullptr;
}

void finish_in_own_words(Documents& documents) {
  for (auto& document : documents)
    if (finish_of(document) == "stop") (*choice_of(document))["finish_reason"] = "eos";
}

void finish_end_turn(Documents& documents) {
  for (auto& document : documents)
    if (auto const reason = finish_of(document); !reason.empty())
      (*choice_of(document))["finish_reason"] = reason == "stop"     ? "end_turn"
                                                : reason == "length" ? "max_tokens"
                                                                     : "tool_use";
}

void nulls_everywhere(Documents& documents) {
  for (auto& document : documents) {
    for (auto const* const name : {"usage", "system_fingerprint", "service_tier", "prompt_logprobs", "error"})
      if (!document.contains(name)) document[name] = nullptr;
    if (auto* const choice = choice_of(document))
      for (auto const* const name : {"logprobs", "matched_stop", "stop_reason"}) (*choice)[name] = nullptr;
    auto* const part = part_of(document);
    if (part == nullptr) continue;
    for (auto const* const name : {"role", "content", "refusal", "reasoning_content", "tool_calls", "function_call"})
      if (!part->contains(name)) (*part)[name] = nullptr;
  }
}

void empty_tool_calls(Documents& documents) {
  for (auto& document : documents)
    if (auto* const part = part_of(document); part != nullptr && calls_in(document) == nullptr)
      (*part)["tool_calls"] = json::array{};
}

void created_as_float(Documents& documents) {
  for (auto& document : documents) document["created"] = document.at("created").to_number<double>() + 0.492141;
}

void no_id(Documents& documents) {
  for (auto& document : documents) document.erase("id");
}

void choices_counted_up(Documents& documents) {
  auto count = 0;
  for (auto& document : documents)
    if (auto* const choice = choice_of(document)) (*choice)["index"] = count++;
}

void delta_and_message(Documents& documents) {
  for (auto& document : documents)
    if (auto* const choice = choice_of(document)) {
      auto part = *part_of(document);  // a copy: the insertion moves what is in the choice
      (*choice)["message"] = std::move(part);
    }
}

}  // namespace omnibus::simulator::odd
