/// What matches led to, how well outcomes were predicted, and how the workers are doing. The numbers are computed in
/// SQL; this reads them.
#pragma once

#include "json/raw.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::matches {

/// Times in ms since 1970; a missing bound is open, the end is exclusive.
struct TimeRange {
  std::optional<std::int64_t> from_ms{}, to_ms{};
};

/// A condition of an alert. `value` is missing where too little happened to tell.
struct AlertCondition {
  std::string name;
  std::optional<std::string> domain;
  std::string subject;
  std::optional<double> value;
  double threshold = 0;
  bool holds = false;
};
BOOST_DESCRIBE_STRUCT(AlertCondition, (), (name, domain, subject, value, threshold, holds))

/// What came of a batch, under the names that the seed's API has.
struct BatchSummary {
  std::int64_t totalUsers = 0;        ///< people who may be matched
  std::int64_t matchesAnalyzed = 0;   ///< of this batch, as the next two
  std::int64_t highValueMatches = 0;  ///< with at least `high_value`
  std::int64_t scheduled = 0;
  std::int64_t pairsRequested = 0;
  std::optional<std::int64_t> pairsLeftOut{};  ///< beyond the batch, of people who had enough, or of another batch
};
BOOST_DESCRIBE_STRUCT(BatchSummary, (),
                      (totalUsers, matchesAnalyzed, highValueMatches, scheduled, pairsRequested, pairsLeftOut))

/// The opportunity score from which a match counts as one of high value.
inline constexpr std::string_view high_value = "0.70";

/// OmniscientAnalytics, a JSON object. Without a domain, of every tenant that the reader may see; so for the next two.
/// Every function here @throws what libpqxx throws.
json::Raw read_analytics(pqxx::transaction_base& transaction, std::optional<std::string> const& domain,
                         TimeRange range);
/// Confusion matrix, Brier score and reliability, a JSON object.
json::Raw read_calibration(pqxx::transaction_base& transaction, std::optional<std::string> const& domain,
                           TimeRange range);
/// Backlog, times and errors of the workers, people with a time zone that PostgreSQL does not know any more, and the
/// conditions of alerts: a JSON object.
json::Raw read_system_health(pqxx::transaction_base& transaction, std::optional<std::string> const& domain);
std::vector<AlertCondition> read_alert_conditions(pqxx::transaction_base& transaction,
                                                  std::optional<std::string> const& domain);
/// Nothing while a pair of the batch waits for its analysis. Call it once the match worker has handled the batch.
/// @param batch its id; @param event_key of the event that asked for it
std::optional<BatchSummary> read_batch_summary(pqxx::transaction_base& transaction, std::string const& domain,
                                               Uuid const& batch, Uuid const& event_key);

}  // namespace omnibus::matches
