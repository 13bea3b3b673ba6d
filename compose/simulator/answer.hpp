/// The simulated model's answers: plausible, and the same for the same question. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::simulator {

/// A support answer to a question: names its topic and adds a fitting sentence.
std::string answer_to(std::string_view question, std::uint64_t seed);
/// The summary of a transcript (lines of `speaker: words`, two at least); nothing for any other text.
std::optional<std::string> summary_of(std::string_view transcript);
/// The answer once a tool has returned a fact, or stored one.
std::string answer_from_tool(std::string_view question, std::string_view tool_result);

/// A changed fact, as in "Change price to 250k".
struct ChangedFact {
  std::string name;   ///< in lower case
  std::string value;  ///< as written
};
std::optional<ChangedFact> changed_fact(std::string_view question);

/// The topic of a question in a few words; "your request" when it has none.
std::string topic_of(std::string_view question);

/// Estimates the tokens of a text: one per four bytes, at least one per word.
std::int64_t count_tokens(std::string_view text);
/// A hash that is the same on every machine and in every run (FNV-1a, finished by the mixer of MurmurHash3).
std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0);

}  // namespace omnibus::simulator
