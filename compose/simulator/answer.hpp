/// What the simulated model says: plausible, and the same for the same question. Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::simulator {

/// A support answer to a question: picks up what it is about and says something that fits.
std::string answer_to(std::string_view question, std::uint64_t seed);
/// What a transcript (lines of `speaker: words`, two at least) comes to; nothing for what is none.
std::optional<std::string> summary_of(std::string_view transcript);
/// The answer once a tool has told what was to be found out, or kept what was told.
std::string answer_from_tool(std::string_view question, std::string_view tool_result);

/// A fact that somebody tells to be other than before, as in "Change price to 250k".
struct ChangedFact {
  std::string name;   ///< in lower case
  std::string value;  ///< as it was written
};
std::optional<ChangedFact> changed_fact(std::string_view question);

/// The few words a question is about; "your request" when it has none.
std::string topic_of(std::string_view question);

/// About how many tokens a text has: one per four bytes, at least one per word.
std::int64_t count_tokens(std::string_view text);
/// A hash that is the same on every machine and in every run (FNV-1a, finished by the mixer of MurmurHash3).
std::uint64_t stable_hash(std::string_view text, std::uint64_t seed = 0);

}  // namespace omnibus::simulator
