#pragma once

#include <optional>
#include <string_view>

namespace omnibus::messaging {

/// What a person may always say, whatever the conversation is about.
enum class Keyword { stop, start, help };

/// The keyword that a message is: STOP, STOPALL, UNSUBSCRIBE, CANCEL, END, QUIT or ARRÊT; START or UNSTOP; HELP, AIDE
/// or INFO. Nothing but the keyword may be in the message; case, accents, punctuation, blanks and emoji make no
/// difference. YES is none: it answers too many other questions.
std::optional<Keyword> keyword(std::string_view message);

/// `STOP`, `START` or `HELP`
std::string_view name(Keyword keyword);

}  // namespace omnibus::messaging
