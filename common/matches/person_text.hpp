/// A person as a client or a file gives them.
#pragma once

#include "events/people.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::matches {

/// What is missing is empty, or as person_of() says.
struct PersonText {
  std::optional<std::string> domain{};
  std::optional<Uuid> user_id{};
  std::string handle;
  std::optional<std::string> timezone{}, status{}, email{}, deep_analysis_consent_at{}, narrative{}, current_focus{};
  std::optional<std::vector<std::string>> seeking_connections{}, offering_expertise{};
  std::optional<std::vector<Uuid>> blocked_user_ids{};
};
BOOST_DESCRIBE_STRUCT(PersonText, (),
                      (domain, user_id, handle, timezone, status, email, deep_analysis_consent_at, narrative,
                       current_focus, seeking_connections, offering_expertise, blocked_user_ids))

/// The person, not validated: without a time zone UTC, without a status PENDING, and without `user_id` with an id that
/// depends on tenant and handle alone, so that the same text is the same person again. Pure.
PersonRecorded person_of(PersonText text, std::string domain);

}  // namespace omnibus::matches
