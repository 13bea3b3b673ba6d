/// The data of the outcome worker.
#pragma once

#include "events/outcome.hpp"
#include "handler/context.hpp"
#include "handler/failure.hpp"
#include "matches/stored_score.hpp"
#include "processing/processing_log.hpp"
#include "uuid/uuid.hpp"
#include "workers/outcome/judgement.hpp"
#include "workers/outcome/transcript.hpp"

#include <optional>
#include <string>

namespace pqxx {
class connection;
}

namespace omnibus::outcome {

/// A judged conversation.
struct JudgedOutcome {
  Uuid id{};
  Uuid conversation_id{};
  Uuid match_id{};
  std::string domain;
  OutcomeJudgement judgement;
  std::string actual_outcome;  ///< after the limit of a conversation that shows little
  std::string deviation;
  StoredScore quality, readiness, match;
  bool follow_up = false;
  std::optional<std::int64_t> scored_ms{};  ///< since 1970; missing: now
};

/// Reads conversations and writes what came of them. Use it on the event loop; functions with a unit of work run on a
/// thread of the pool.
class OutcomeStore {
 public:
  virtual ~OutcomeStore() = default;

  /// The conversation with its turns; nothing when there is none.
  virtual Task<std::optional<HeldConversation>> read(Context& context, Uuid const& conversation) = 0;

  /// Stores the outcome and the conversation's columns about it. @return false when the conversation has one already:
  /// then nothing is written.
  virtual bool add(UnitOfWork& unit, JudgedOutcome const& outcome) = 0;

  /// Notes on a completed conversation without an outcome why it could not be judged, until it is.
  virtual void note_failure(UnitOfWork& unit, std::string const& domain, Uuid const& conversation,
                            std::string const& error_class) = 0;

  /// Records whether two people work together. @return false when there is no such outcome.
  virtual bool track(UnitOfWork& unit, OutcomeCollaborationTracked const& tracked) = 0;

  /// The row of the processing log, see processing/processing_log.hpp.
  virtual Task<> log_start(Context& context, processing::LoggedWork work) = 0;
  virtual void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                       processing::LoggedCost const& spent) = 0;
  virtual void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                           Failure const& failure) = 0;
};

/// The same in PostgreSQL: all SQL of the outcome worker.
class PostgresOutcomes final : public OutcomeStore {
 public:
  Task<std::optional<HeldConversation>> read(Context& context, Uuid const& conversation) override;
  bool add(UnitOfWork& unit, JudgedOutcome const& outcome) override;
  void note_failure(UnitOfWork& unit, std::string const& domain, Uuid const& conversation,
                    std::string const& error_class) override;
  bool track(UnitOfWork& unit, OutcomeCollaborationTracked const& tracked) override;
  Task<> log_start(Context& context, processing::LoggedWork work) override;
  void log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
               processing::LoggedCost const& spent) override;
  void log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                   Failure const& failure) override;

  /// read() over a connection.
  static std::optional<HeldConversation> read_over(pqxx::connection& connection, Uuid const& conversation);
};

}  // namespace omnibus::outcome
