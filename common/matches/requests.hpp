/// What people of the team ask of the workers that match people: each request is checked against what is stored, and
/// becomes an event. The workers check again where the effect is.
#pragma once

#include "events/match.hpp"
#include "events/people.hpp"
#include "matches/time_zones.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::matches {

/// An event that is to be published.
struct PlannedEvent {
  std::string_view type;  ///< of an event struct, so it lives as long as the program
  std::string data;
  std::string key;
};

/// A request that cannot become an event. Has nothing of the request's content.
struct InvalidRequest : std::exception {
  enum class Kind : std::uint8_t { unknown, state, invalid };

  Kind kind;
  std::string reason;  ///< a short stable word, that of the dead letter the worker would make: `unknown_user`
  std::string detail;
  std::string field;  ///< of the request; empty when none

  InvalidRequest(Kind kind_, std::string reason_, std::string detail_, std::string field_ = {})
      : kind{kind_}, reason{std::move(reason_)}, detail{std::move(detail_)}, field{std::move(field_)} {}

  char const* what() const noexcept override { return detail.c_str(); }
};

/// The most pairs of one batch.
inline constexpr std::int64_t most_pairs = 5'000;
/// The most reports that one request asks for; who is left out gets theirs when it is due.
inline constexpr std::int64_t most_reports = 1'000;

/// Each function below @throws InvalidRequest, and those with a transaction what libpqxx throws. `actor` is the
/// principal who asks; nothing for a command of the tool.

/// Checks a person; with `zones`, which must have its time zone. `transaction` shows whether the handle is free.
PlannedEvent plan_person(pqxx::transaction_base& transaction, TimeZones const& zones, PersonRecorded const& person);

/// @param size nothing: the match worker's MATCH_BATCH_SIZE
PlannedEvent plan_batch(std::string domain, Uuid const& batch, std::optional<std::int64_t> size,
                        std::optional<Uuid> actor);

/// Both people must be there, different, and eligible: approved, with a story and consent. Who blocked whom is known to
/// the worker only.
PlannedEvent plan_manual_match(pqxx::transaction_base& transaction, Uuid const& user, Uuid const& other,
                               std::optional<Uuid> actor);

/// Replaces the insights of a match that has not ended.
PlannedEvent plan_override(pqxx::transaction_base& transaction, Uuid const& match_id,
                           std::vector<MatchInsight> insights, std::optional<Uuid> actor);

/// Activates one match now, whose conversation then begins: it must be analyzed or scheduled.
PlannedEvent plan_conversation(pqxx::transaction_base& transaction, Uuid const& match_id, std::optional<Uuid> actor);

/// Activates the scheduled matches of a person, or of everybody, as of the time `at` or now.
PlannedEvent plan_midnight(pqxx::transaction_base& transaction, std::string domain, std::optional<Uuid> user_id,
                           std::optional<std::string> at, std::optional<Uuid> actor);

/// Judges a completed conversation.
PlannedEvent plan_outcome_analysis(pqxx::transaction_base& transaction, Uuid const& conversation_id,
                                   std::optional<Uuid> actor);

/// Records whether two people work together.
PlannedEvent plan_collaboration(pqxx::transaction_base& transaction, Uuid const& outcome_id, bool tracked,
                                std::optional<std::string> details, std::optional<Uuid> actor);

/// The report of one person, whether there is news or not. `date` is a day of the person's own time that has begun.
PlannedEvent plan_report(pqxx::transaction_base& transaction, Uuid const& user_id, std::optional<std::string> date,
                         std::optional<Uuid> actor);

/// `person` rates their own report.
PlannedEvent plan_rating(pqxx::transaction_base& transaction, Uuid const& report_id, Uuid const& person,
                         std::int64_t rating);

/// A report for each person of the tenant with an outcome that no report of theirs holds; with `date`, of those for
/// whom that day has begun.
std::vector<PlannedEvent> plan_reports(pqxx::transaction_base& transaction, std::string const& domain,
                                       std::optional<std::string> const& date, std::optional<Uuid> actor);

}  // namespace omnibus::matches
