/// Stores the answers of models.
#pragma once

#include "assistant/recorded_answer.hpp"
#include "concurrency/task.hpp"
#include "handler/context.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string_view>

namespace omnibus::assistant {

/// Stores the answer to each step of an event, so that it is paid for once. Use it on the event loop; functions with a
/// unit of work run on a thread of the pool.
class AnswerStore {
 public:
  virtual ~AnswerStore() = default;

  /// The stored answer for a step of the context's event, if there is one.
  virtual Task<std::optional<RecordedAnswer>> find(Context& context, std::string_view step) = 0;
  /// Stores an answer, unless one is stored.
  virtual void record(UnitOfWork& unit, Uuid const& event_key, std::string_view step, RecordedAnswer const& answer) = 0;
  /// Stores the answer that the unit's other rows come of, in place of one that a former owner of the partition kept:
  /// what is stored is what people were told, and what a replay tells again.
  virtual void replace(UnitOfWork& unit, Uuid const& event_key, std::string_view step,
                       RecordedAnswer const& answer) = 0;
  /// Deletes the answers to an event that reached no person: a replay must not store them.
  virtual void forget(UnitOfWork& unit, Uuid const& event_key) = 0;
};

/// Stores answers in pipeline.llm_responses.
class PostgresAnswers final : public AnswerStore {
 public:
  Task<std::optional<RecordedAnswer>> find(Context& context, std::string_view step) override;
  void record(UnitOfWork& unit, Uuid const& event_key, std::string_view step, RecordedAnswer const& answer) override;
  void replace(UnitOfWork& unit, Uuid const& event_key, std::string_view step, RecordedAnswer const& answer) override;
  void forget(UnitOfWork& unit, Uuid const& event_key) override;
};

}  // namespace omnibus::assistant
