/// A report of the rollups over a time range.
#pragma once

#include "rollups/query.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::rollups {

/// Percentiles of the durations, each within 5 % of the true one.
struct Latency {
  double p50 = 0;
  double p90 = 0;
  double p95 = 0;
  double p99 = 0;
};
BOOST_DESCRIBE_STRUCT(Latency, (), (p50, p90, p95, p99))

struct Sums {
  std::int64_t calls = 0;
  std::int64_t errors = 0;
  std::int64_t input_tokens = 0;
  std::int64_t output_tokens = 0;
  std::string cost_usd = "0.000000000";  ///< a decimal with nine places
  std::int64_t searches = 0;
  std::int64_t searches_without_result = 0;
  std::optional<Latency> latency_ms;  ///< absent without calls
};
BOOST_DESCRIBE_STRUCT(Sums, (),
                      (calls, errors, input_tokens, output_tokens, cost_usd, searches, searches_without_result,
                       latency_ms))

struct Bucket : Sums {
  std::string start;
};
BOOST_DESCRIBE_STRUCT(Bucket, (Sums), (start))

struct DomainSums : Sums {
  std::string domain;
};
BOOST_DESCRIBE_STRUCT(DomainSums, (Sums), (domain))

struct ModelSums : Sums {
  std::string provider;
  std::string model;
};
BOOST_DESCRIBE_STRUCT(ModelSums, (Sums), (provider, model))

/// The cost if the rate of the range continues; only the past part of the range counts.
struct Projection {
  std::string cost_usd_per_hour;
  std::string cost_usd_in_30_days;
};
BOOST_DESCRIBE_STRUCT(Projection, (), (cost_usd_per_hour, cost_usd_in_30_days))

/// When the rollups of the range were last written. Stale: the range reaches up to now, and no call was added for
/// longer than 45 minutes (15m) or 26 hours (1d), so the newest may be missing.
struct Freshness {
  std::string granularity;
  std::optional<std::string> refreshed_at;
  bool stale = false;
};
BOOST_DESCRIBE_STRUCT(Freshness, (), (granularity, refreshed_at, stale))

struct Report {
  std::string from;
  std::string to;
  std::string granularity;
  std::optional<std::string> domain;
  std::optional<std::string> model;
  Sums totals;
  std::vector<Bucket> trend;        ///< every bucket of the range, empty ones too
  std::vector<ModelSums> models;    ///< the most expensive first, at most `most_groups`
  std::vector<DomainSums> domains;  ///< in the same order
  std::int64_t live_sessions = 0;   ///< conversations that asked a model within the last five minutes
  Projection projection;
  std::vector<Freshness> freshness;
};
BOOST_DESCRIBE_STRUCT(Report, (),
                      (from, to, granularity, domain, model, totals, trend, models, domains, live_sessions, projection,
                       freshness))

inline constexpr int most_groups = 50;

/// Reads the rollups that the transaction's role and settings can see. A role that sees one tenant only must ask
/// for that tenant: the sums of all tenants are empty for it.
Report read_report(pqxx::transaction_base& transaction, Query const& query);

}  // namespace omnibus::rollups
