/// All the SQL of the call worker.
#pragma once

#include "events/call.hpp"
#include "handler/context.hpp"
#include "sessions/session.hpp"

#include <optional>
#include <string>
#include <string_view>

namespace omnibus::call {

/// The summary that somebody wrote for the call into `call_summaries`.
Task<std::optional<std::string>> find_summary(Context& context, CallTerminated const& call);

/// The person's session, to be followed up, with the call and its summary in the context that the channels share.
sessions::Session open_follow_up(UnitOfWork& unit, CallTerminated const& call, std::optional<std::string> const& told);

}  // namespace omnibus::call
