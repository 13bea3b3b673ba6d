/// The SQL of the match worker about candidates.
#pragma once

#include "concurrency/task.hpp"
#include "handler/context.hpp"
#include "workers/match/pair.hpp"
#include "workers/match/shortlist.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::match {

/// The pairs of a tenant that are worth an analysis.
struct Candidates {
  std::optional<std::string> tenant_status;  ///< nothing when there is no such tenant
  std::int64_t people = 0;                   ///< who may be matched
  std::int64_t pairs = 0;                    ///< candidates, also those beyond the limit or the flag's share
  std::vector<Pair> ordered;                 ///< the best first
};

/// Where candidates are found. Tests of the handler have one in memory.
class CandidateStore {
 public:
  virtual ~CandidateStore() = default;

  /// Everybody's best 20 among those who may be matched with them; of these the pairs that the tenant's flag
  /// omniscient_matching is on for. Does not read every pair: of a common word it reads at most 200 people for each
  /// person.
  virtual Task<Candidates> find(Context& context, std::string domain, std::chrono::milliseconds rematch_after,
                                std::int64_t limit) = 0;
  /// What pairs seek and offer, shortened, numbered from 1 on in their order.
  virtual Task<std::vector<OfferedPair>> describe(Context& context, std::vector<Pair> pairs) = 0;
};

/// The one in PostgreSQL. Any thread may use it.
class PostgresCandidates final : public CandidateStore {
 public:
  Task<Candidates> find(Context& context, std::string domain, std::chrono::milliseconds rematch_after,
                        std::int64_t limit) override;
  Task<std::vector<OfferedPair>> describe(Context& context, std::vector<Pair> pairs) override;

  /// find() over a connection.
  static Candidates find_over(pqxx::connection& connection, std::string const& domain,
                              std::chrono::milliseconds rematch_after, std::int64_t limit);
  /// The same query, explained.
  static std::string explain(pqxx::connection& connection, std::string const& domain);
};

}  // namespace omnibus::match
