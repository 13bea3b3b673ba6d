#include "workers/cli/matching/people_import.hpp"

#include "json/decode.hpp"
#include "matches/person_text.hpp"

#include <utility>

namespace omnibus::cli {

boost::system::result<PersonRecorded, json::DecodeError> read_person_line(std::string_view line,
                                                                          ImportDefaults const& defaults) {
  constexpr std::string_view byte_order_mark = "\xEF\xBB\xBF";  // some editors begin a file with it
  if (line.starts_with(byte_order_mark)) line.remove_prefix(byte_order_mark.size());
  auto text = json::decode_strictly<matches::PersonText>(line, {.bytes = line.size()});
  if (!text) return text.error();
  auto domain = text->domain ? text->domain : defaults.domain;
  if (!domain) return json::DecodeError{"domain", "is missing: name the tenant in the line or by --domain"};
  if (defaults.consent_at) {
    if (!text->status) text->status = "APPROVED";
    if (!text->deep_analysis_consent_at) text->deep_analysis_consent_at = defaults.consent_at;
  }
  auto person = matches::person_of(*std::move(text), *std::move(domain));
  if (auto const invalid = validate(person)) return json::DecodeError{invalid->field, invalid->reason};
  return person;
}

}  // namespace omnibus::cli
