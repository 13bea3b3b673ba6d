/// The SQL of the match worker about matches: nobody else writes them.
#pragma once

#include "assistant/structured.hpp"
#include "concurrency/task.hpp"
#include "events/match.hpp"
#include "handler/context.hpp"
#include "handler/unit_of_work.hpp"
#include "processing/processing_log.hpp"
#include "uuid/uuid.hpp"
#include "workers/match/analysis.hpp"
#include "workers/match/pair.hpp"

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/enum.hpp>

namespace pqxx {
class connection;
}

namespace omnibus::match {

/// A match that a request works on.
struct OpenMatch {
  Uuid id;
  std::string status;
};

/// A pair as a request for its analysis finds it.
struct PairState {
  std::optional<std::string> tenant_status{};
  bool both_known = false;  ///< both are people of the tenant
  bool may_meet = false;
  std::int64_t ended = 0;                             ///< their matches that were completed or cancelled
  std::optional<OpenMatch> live{};                    ///< the one that is neither completed nor cancelled
  PersonalStory story_a{}, story_b{};                 ///< empty without a story
  std::optional<assistant::LookedUpAnswer> answer{};  ///< the recorded one to this event, where it was looked for
};

/// The step of an event under which its analysis is recorded.
inline constexpr std::string_view analysis_step = "analysis";

/// A match that waits for its midnight.
struct Schedule {
  std::string scheduled_for;   ///< RFC 3339, UTC
  bool zone_vanished = false;  ///< one of the two time zones is unknown by now and counted as UTC
};

/// What is stored of an analysis.
struct AnalysedMatch {
  std::string opportunity_score;  ///< a decimal with two places
  std::string score_parts;        ///< JSON
  std::string probabilities;      ///< JSON
  std::string predicted_outcome;
  std::string summary;
  std::string reasoning;
  std::vector<MatchInsight> insights;  ///< with their ids
};

/// What became of storing an analysis.
enum class Stored : std::uint8_t {
  stored,
  withdrawn,  ///< the two may not meet any more: the match is cancelled
  moved_on,   ///< the match was scheduled, ended or deleted meanwhile
};
BOOST_DESCRIBE_ENUM(Stored, stored, withdrawn, moved_on)

/// The same with the match's midnight, if it was scheduled at once.
struct StoredAnalysis {
  Stored stored = Stored::moved_on;
  std::optional<Schedule> schedule{};
};

/// Which matches to activate.
struct ActivationScope {
  std::optional<std::string> domain{};  ///< missing: of all tenants
  std::optional<Uuid> user{};           ///< only of this person
  std::optional<Uuid> match{};          ///< only this one, analysed or scheduled, whenever it is due
  std::optional<std::string> at{};      ///< RFC 3339; missing: now
};

/// A match that was due.
struct DueMatch {
  Uuid id;
  std::string domain;
  bool activated = false;     ///< else the two may not meet any more, and it is cancelled
  std::int32_t attempts = 0;  ///< conversations that failed before
};

/// What the end of a conversation did to its match.
struct AfterConversation {
  std::optional<Schedule> schedule{};             ///< another conversation, at this time
  std::optional<std::string> cancelled_reason{};  ///< no other one; both missing: it did nothing
};

/// Insights before and after they were replaced.
struct Override {
  std::vector<MatchInsight> before;
  std::vector<MatchInsight> after;
};

/// Where matches are stored. Tests of the handler have one in memory.
class MatchStore {
 public:
  virtual ~MatchStore() = default;

  /// The status of a tenant; nothing when there is none.
  virtual Task<std::optional<std::string>> read_tenant(Context& context, std::string domain) = 0;
  /// Reads a pair in one round trip with others.
  virtual Task<PairState> read(Context& context, std::string domain, Pair pair) = 0;
  /// Adds a match that waits for its analysis for each pair without a live one. @return those pairs, in the given
  /// order: nobody else has asked for their analysis.
  virtual std::vector<Pair> add(UnitOfWork& unit, std::string_view domain, Uuid const& batch,
                                std::vector<Pair> const& pairs) = 0;
  /// The pair's live match, or a new one that waits for its analysis. Nothing when one of the two is gone.
  /// @param batch the one that asked; its pairs have the same match id from add()
  virtual std::optional<OpenMatch> open(UnitOfWork& unit, Uuid const& event_key, std::optional<Uuid> const& batch,
                                        std::string_view domain, Pair const& pair) = 0;
  /// The same at once, for a pair as it was read, in one round trip with others; nothing also if it changed since.
  virtual Task<std::optional<OpenMatch>> open_now(Context& context, std::optional<Uuid> const& batch,
                                                  std::string domain, Pair pair, std::int64_t ended) = 0;
  /// Stores an analysis and replaces the match's insights, while the match waits for it or for a better one; in one
  /// statement with those of other events. Then calls `then`.
  /// @param schedule whether the match then waits for the later of both people's next midnights
  virtual void store(UnitOfWork& unit, Uuid const& match, AnalysedMatch analysed, bool schedule,
                     std::function<void(StoredAnalysis)> then) = 0;
  /// Has an analysed match wait for the later of both people's next midnights.
  virtual Schedule schedule(UnitOfWork& unit, Uuid const& match) = 0;
  /// Cancels the pair's live match if it waits for its first analysis. @return the live match; its status is
  /// `cancelled` if it is now.
  virtual std::optional<OpenMatch> give_up(UnitOfWork& unit, std::string_view domain, Pair const& pair,
                                           std::string_view reason) = 0;

  /// Activates matches that are due, or cancels those whose people may not meet any more, at most `limit`, the first
  /// due first.
  virtual std::vector<DueMatch> activate(UnitOfWork& unit, ActivationScope const& scope, std::int32_t limit) = 0;
  /// @throws Failure (permanent) when the person or the match of a scope is unknown, or the match cannot be activated.
  virtual void check(UnitOfWork& unit, ActivationScope const& scope) = 0;

  /// The match's conversation was held. @param again in a replay: also from `analyzed`, since a replay activates
  /// nothing. @return false when it did nothing.
  virtual bool complete(UnitOfWork& unit, Uuid const& match, Uuid const& conversation, bool again) = 0;
  /// The match's conversation broke off: another one at the next midnight, unless the people or MATCH_ATTEMPTS forbid.
  virtual AfterConversation fail(UnitOfWork& unit, Uuid const& match, Uuid const& conversation,
                                 std::string_view stop_reason, std::int32_t most_attempts) = 0;

  /// Replaces the insights of a match by the event's, once per event. Nothing when this event did.
  /// @throws Failure (permanent) when the match is unknown, or has no insight of an id that the event names.
  virtual std::optional<Override> override_insights(UnitOfWork& unit, Uuid const& event_key,
                                                    MatchInsightsOverrideRequested const& request) = 0;

  /// The processing log; see processing::start, complete and fail. @param notes a JSON object of ids and counts
  virtual Task<> log_start(Context& context, processing::LoggedWork work) = 0;
  virtual void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                       processing::LoggedCost const& spent = {}, std::string const& notes = "{}") = 0;
  virtual void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                           Failure const& failure) = 0;
};

/// The conversation that a match gets after so many that failed.
Uuid conversation_of(Uuid const& match, std::int32_t attempts);

/// The one in PostgreSQL. Any thread may use it.
class PostgresMatches final : public MatchStore {
 public:
  Task<std::optional<std::string>> read_tenant(Context& context, std::string domain) override;
  Task<PairState> read(Context& context, std::string domain, Pair pair) override;
  /// read() over a connection, for an event of this key.
  static PairState read_over(pqxx::connection& connection, std::string const& domain, Pair const& pair,
                             Uuid const& event_key = {});
  std::vector<Pair> add(UnitOfWork& unit, std::string_view domain, Uuid const& batch,
                        std::vector<Pair> const& pairs) override;
  std::optional<OpenMatch> open(UnitOfWork& unit, Uuid const& event_key, std::optional<Uuid> const& batch,
                                std::string_view domain, Pair const& pair) override;
  Task<std::optional<OpenMatch>> open_now(Context& context, std::optional<Uuid> const& batch, std::string domain,
                                          Pair pair, std::int64_t ended) override;
  void store(UnitOfWork& unit, Uuid const& match, AnalysedMatch analysed, bool schedule,
             std::function<void(StoredAnalysis)> then) override;
  Schedule schedule(UnitOfWork& unit, Uuid const& match) override;
  std::optional<OpenMatch> give_up(UnitOfWork& unit, std::string_view domain, Pair const& pair,
                                   std::string_view reason) override;
  std::vector<DueMatch> activate(UnitOfWork& unit, ActivationScope const& scope, std::int32_t limit) override;
  void check(UnitOfWork& unit, ActivationScope const& scope) override;
  bool complete(UnitOfWork& unit, Uuid const& match, Uuid const& conversation, bool again) override;
  AfterConversation fail(UnitOfWork& unit, Uuid const& match, Uuid const& conversation, std::string_view stop_reason,
                         std::int32_t most_attempts) override;
  std::optional<Override> override_insights(UnitOfWork& unit, Uuid const& event_key,
                                            MatchInsightsOverrideRequested const& request) override;
  Task<> log_start(Context& context, processing::LoggedWork work) override;
  void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
               processing::LoggedCost const& spent, std::string const& notes) override;
  void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                   Failure const& failure) override;
};

}  // namespace omnibus::match
