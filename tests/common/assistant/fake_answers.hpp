/// Recorded answers in memory, and a model that is asked through them.
#pragma once

#include "assistant/answer_store.hpp"
#include "assistant/model.hpp"
#include "handler/fake_context.hpp"
#include "tests/common/llm/fake_llm.hpp"

#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>

namespace omnibus::assistant::test {

using RecordedAnswers = std::map<std::pair<Uuid, Uuid>, RecordedAnswer>;  // by event and request

/// Keeps answers where a FakeContext can put them back when a commit fails.
class FakeAnswers final : public AnswerStore {
 public:
  explicit FakeAnswers(RecordedAnswers& answers) : answers_{answers} {}

  Task<std::optional<RecordedAnswer>> find(Context& context, std::string_view step) override {
    auto const found = answers_.find({context.event_key(), request_key(context.event_key(), step)});
    co_return found == answers_.end() ? std::nullopt : std::optional{found->second};
  }
  void record(UnitOfWork&, Uuid const& event_key, std::string_view step, RecordedAnswer const& answer) override {
    answers_.emplace(std::pair{event_key, request_key(event_key, step)}, answer);
  }
  void replace(UnitOfWork&, Uuid const& event_key, std::string_view step, RecordedAnswer const& answer) override {
    answers_.insert_or_assign(std::pair{event_key, request_key(event_key, step)}, answer);
  }
  void forget(UnitOfWork&, Uuid const& event_key) override {
    std::erase_if(answers_, [&](auto const& each) { return each.first.first == event_key; });
  }

 private:
  RecordedAnswers& answers_;
};

/// What a model of tests says and what is kept of it.
struct FakeModel {
  explicit FakeModel(FakeContext& context) { context.keep_consistent(answers); }

  /// A model over it, for a handler to own.
  std::unique_ptr<Model> make(ModelSettings const& settings) {
    return std::make_unique<Model>(settings, std::make_unique<llm::test::FakeLlm>(script),
                                   std::make_unique<FakeAnswers>(answers));
  }
  /// How often it was asked.
  std::size_t asked() const { return script.asked.size(); }

  llm::test::FakeLlm::Script script;
  RecordedAnswers answers;
};

}  // namespace omnibus::assistant::test
