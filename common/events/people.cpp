#include "events/people.hpp"

#include "text/rules.hpp"

namespace omnibus {

std::optional<InvalidField> validate(PersonRecorded const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::line("handle", event.handle, 64)) return invalid;
  if (auto invalid = rules::length("timezone", event.timezone, 64)) return invalid;
  if (auto invalid = rules::one_of("status", event.status, {"PENDING", "APPROVED", "SUSPENDED"})) return invalid;
  if (event.email)
    if (auto invalid = rules::email("email", *event.email)) return invalid;
  if (event.deep_analysis_consent_at)
    if (auto invalid = rules::time("deep_analysis_consent_at", *event.deep_analysis_consent_at)) return invalid;
  if (event.narrative)
    if (auto invalid = rules::length("narrative", *event.narrative, 8000)) return invalid;
  if (event.current_focus)
    if (auto invalid = rules::length("current_focus", *event.current_focus, 8000)) return invalid;
  if (event.seeking_connections && event.seeking_connections->size() > 50)
    return InvalidField{"seeking_connections", "must have at most 50 elements"};
  if (event.seeking_connections)
    for (auto const& each : *event.seeking_connections)
      if (auto invalid = rules::length("seeking_connections", each, 200)) return invalid;
  if (event.offering_expertise && event.offering_expertise->size() > 50)
    return InvalidField{"offering_expertise", "must have at most 50 elements"};
  if (event.offering_expertise)
    for (auto const& each : *event.offering_expertise)
      if (auto invalid = rules::length("offering_expertise", each, 200)) return invalid;
  if (event.blocked_user_ids && event.blocked_user_ids->size() > 1000)
    return InvalidField{"blocked_user_ids", "must have at most 1000 elements"};
  return std::nullopt;
}

}  // namespace omnibus
