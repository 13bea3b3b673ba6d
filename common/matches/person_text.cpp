#include "matches/person_text.hpp"

#include <string_view>
#include <utility>

namespace omnibus::matches {
namespace {

/// "omnibus", "peopl": the namespace of people without an id of their own.
constexpr Uuid people_space{
    {0x6f, 0x6d, 0x6e, 0x69, 0x62, 0x75, 0x50, 0x00, 0x80, 0x00, 0x70, 0x65, 0x6f, 0x70, 0x6c, 0x00}};
constexpr std::string_view separator{"\0", 1};

}  // namespace

PersonRecorded person_of(PersonText text, std::string domain) {
  PersonRecorded person;
  person.domain = std::move(domain);
  person.user_id = text.user_id ? *text.user_id : name_uuid(people_space, {person.domain, separator, text.handle});
  person.handle = std::move(text.handle);
  person.timezone = text.timezone.value_or("UTC");
  person.status = text.status.value_or("PENDING");
  person.email = std::move(text.email);
  person.deep_analysis_consent_at = std::move(text.deep_analysis_consent_at);
  person.narrative = std::move(text.narrative);
  person.current_focus = std::move(text.current_focus);
  person.seeking_connections = std::move(text.seeking_connections);
  person.offering_expertise = std::move(text.offering_expertise);
  person.blocked_user_ids = std::move(text.blocked_user_ids);
  return person;
}

}  // namespace omnibus::matches
