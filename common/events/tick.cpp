#include "events/tick.hpp"

#include "text/rules.hpp"

namespace omnibus {

std::optional<InvalidField> validate(Tick const& tick) {
  if (auto invalid = rules::time("due_at", tick.due_at)) return invalid;
  if (tick.missed < 0) return InvalidField{"missed", "must not be negative"};
  return std::nullopt;
}

}  // namespace omnibus
