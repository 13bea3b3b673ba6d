/// What a person may not see of what concerns them: row-level security hides rows, this hides members.
#pragma once

#include "matches/shown.hpp"
#include "workers/gateway/matches/caller.hpp"

#include <utility>

namespace omnibus::gateway {

/// Of a match, why it was cancelled (the other side may have withdrawn) and how it was analysed.
void conceal(matches::ShownMatch& match);
/// Of a conversation that broke off, why.
void conceal(matches::ShownAgentConversation& conversation);

/// The thing as that caller may see it.
template <class Thing>
Thing shown_to(Caller const& caller, Thing thing) {
  if constexpr (requires { conceal(thing); }) {
    if (!caller.is_staff()) conceal(thing);
  }
  return thing;
}

/// The overrides of insights are for admins.
matches::MatchDetail shown_to(Caller const& caller, matches::MatchDetail detail);

}  // namespace omnibus::gateway
