#include "events/report.hpp"

#include "text/rules.hpp"

namespace omnibus {

std::optional<InvalidField> validate(ReportRequested const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (event.report_date)
    if (auto invalid = rules::date("report_date", *event.report_date)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(ReportGenerated const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::date("report_date", event.report_date)) return invalid;
  if (auto invalid = rules::between("outcomes", event.outcomes, 0, 9223372036854775807)) return invalid;
  return std::nullopt;
}

std::optional<InvalidField> validate(ReportRated const& event) {
  if (auto invalid = rules::domain("domain", event.domain)) return invalid;
  if (auto invalid = rules::between("rating", event.rating, 1, 5)) return invalid;
  return std::nullopt;
}

}  // namespace omnibus
