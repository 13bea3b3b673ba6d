/// Reports for people about their conversations.
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

/// Make a person's report.
struct ReportRequested {
  static constexpr std::string_view type = "omnibus.report.requested.v1";
  std::string domain;
  Uuid user_id;                              ///< the person; also the record's key
  std::optional<std::string> report_date{};  ///< in the person's own time; missing: today
  std::optional<Uuid> requested_by{};        ///< the principal who asked; missing when the pipeline did
};
BOOST_DESCRIBE_STRUCT(ReportRequested, (), (domain, user_id, report_date, requested_by))

inline Subjects subjects_of(ReportRequested const& event, std::string_view) {
  return aliases({event.user_id});
}

std::optional<InvalidField> validate(ReportRequested const& event);

/// A report was made. Its text is in the database alone.
struct ReportGenerated {
  static constexpr std::string_view type = "omnibus.report.generated.v1";
  std::string domain;
  Uuid user_id;               ///< the person; also the record's key
  Uuid report_id;             ///< the report's row
  std::string report_date;    ///< in the person's own time
  std::int64_t outcomes = 0;  ///< how many outcomes it tells of
};
BOOST_DESCRIBE_STRUCT(ReportGenerated, (), (domain, user_id, report_id, report_date, outcomes))

inline Subjects subjects_of(ReportGenerated const& event, std::string_view) {
  return aliases({event.user_id});
}

std::optional<InvalidField> validate(ReportGenerated const& event);

/// A person rated their report.
struct ReportRated {
  static constexpr std::string_view type = "omnibus.report.rated.v1";
  std::string domain;
  Uuid user_id;             ///< the person; also the record's key
  Uuid report_id;           ///< the report's row
  std::int64_t rating = 0;  ///< 1 to 5, the best
};
BOOST_DESCRIBE_STRUCT(ReportRated, (), (domain, user_id, report_id, rating))

inline Subjects subjects_of(ReportRated const& event, std::string_view) {
  return aliases({event.user_id});
}

std::optional<InvalidField> validate(ReportRated const& event);

}  // namespace omnibus
