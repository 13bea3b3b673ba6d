/// The audit rows of the workers that match people and let their agents talk.
#pragma once

#include "concurrency/task.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "handler/unit_of_work.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::processing {

/// What a worker does for an event. Ids and words of ours only, never a person's text.
struct LoggedWork {
  std::string domain;
  std::string action;       ///< such as `analyze_pair`
  std::string target_type;  ///< `match`, `conversation`, `batch` or `user`
  std::optional<Uuid> target{};
  std::optional<Uuid> actor{};  ///< the principal who asked for it
};

/// What it cost.
struct LoggedCost {
  std::int64_t tokens = 0;
  std::string cost_usd = "0";  ///< a decimal
};

/// Writes the row of the context's event, `started`, and commits it at once, unless there is one. Call it before the
/// slow work; use it on the event loop. A replay writes nothing here, nor below.
Task<> start(Context& context, LoggedWork work);

/// Ends the row in the transaction of the effect. @param notes a JSON object of ids and counts
void complete(UnitOfWork& unit, Context& context, LoggedWork const& work, LoggedCost const& spent = {},
              std::string const& notes = "{}");

/// Ends the row in the transaction that parks the event: for a handler's `gave_up`. Stores the failure's class, not its
/// reason.
void fail(UnitOfWork& unit, Context& context, LoggedWork const& work, Failure const& failure);

/// Counts how long the event took from its arrival in this process until its effect, in the metric of this action.
void observe_duration(Context const& context, std::string_view action);

}  // namespace omnibus::processing
