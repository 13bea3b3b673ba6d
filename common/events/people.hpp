/// People who may be matched with one another.
#pragma once

#include "subjects/subjects.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus {

/// A person who may be matched with others, whole: what is missing is empty from now on.
struct PersonRecorded {
  static constexpr std::string_view type = "omnibus.person.recorded.v1";
  std::string domain;
  Uuid user_id;                        ///< the person; also the record's key
  std::string handle;                  ///< the name the person goes by; one per tenant, without control characters
  std::string timezone;                ///< a name of the time zone database
  std::string status;                  ///< only an approved person is matched
  std::optional<std::string> email{};  ///< where reports go
  std::optional<std::string>
      deep_analysis_consent_at{};          ///< when the person agreed to deep analysis; without it no pair is analysed
  std::optional<std::string> narrative{};  ///< the person's story; without one there are no pairs
  std::optional<std::string> current_focus{};                     ///< what the person works on now
  std::optional<std::vector<std::string>> seeking_connections{};  ///< whom or what the person seeks
  std::optional<std::vector<std::string>> offering_expertise{};   ///< what the person offers
  std::optional<std::vector<Uuid>> blocked_user_ids{};            ///< whom the person does not want to meet
};
BOOST_DESCRIBE_STRUCT(PersonRecorded, (),
                      (domain, user_id, handle, timezone, status, email, deep_analysis_consent_at, narrative,
                       current_focus, seeking_connections, offering_expertise, blocked_user_ids))

inline Subjects subjects_of(PersonRecorded const& event, std::string_view) {
  return aliases({event.user_id});
}

std::optional<InvalidField> validate(PersonRecorded const& event);

}  // namespace omnibus
