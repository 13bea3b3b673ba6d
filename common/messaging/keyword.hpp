#pragma once

#include <optional>
#include <string_view>

namespace omnibus::messaging {

/// The keywords that always work, in any conversation.
enum class Keyword { stop, start, help };

/// The keyword of a message: a word that carriers and providers obey (STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT,
/// REVOKE, OPT OUT, REMOVE; START, UNSTOP, OPT IN; HELP, INFO), or its like in French, Spanish, Portuguese, German,
/// Kinyarwanda or Swahili. The message may contain nothing else; case, accents, punctuation, spaces and emoji make
/// no difference. YES is not a keyword: it answers too many other questions.
std::optional<Keyword> keyword(std::string_view message);

/// `STOP`, `START` or `HELP`
std::string_view name(Keyword keyword);

}  // namespace omnibus::messaging
