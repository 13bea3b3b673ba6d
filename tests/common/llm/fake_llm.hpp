/// A model for tests that says what it is told to.
#pragma once

#include "llm/llm.hpp"

#include <deque>
#include <functional>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::llm::test {

/// Answers with the next of its script, and keeps what it was asked.
class FakeLlm final : public LlmPort {
 public:
  /// What it was asked, and what it is to say; outlives it.
  struct Script {
    std::deque<ChatCompletion> answers;
    std::deque<LlmError> failures;    ///< how it fails first, one after the other
    std::optional<LlmError> failure;  ///< while set, it fails so
    std::vector<ChatRequest> asked;
    std::function<void()> on_asked;  ///< called while it is being asked; may be empty

    /// Says this next.
    void say(std::string text) {
      ChatCompletion answer;
      answer.text = std::move(text);
      answer.model = "fake";
      answer.finish_reason = "stop";
      answers.push_back(std::move(answer));
    }
    /// Wishes for a tool next.
    void call_tool(std::string name, std::string arguments) {
      ChatCompletion answer;
      answer.model = "fake";
      answer.finish_reason = "tool_calls";
      answer.tool_calls.push_back({"call_1", std::move(name), std::move(arguments)});
      answers.push_back(std::move(answer));
    }
  };

  explicit FakeLlm(Script& script) : script_{script} {}

  Task<ChatCompletion> complete(ChatRequest request, DeltaSink sink) override {
    script_.asked.push_back(std::move(request));
    if (script_.on_asked) script_.on_asked();
    if (!script_.failures.empty()) {
      auto const failure = script_.failures.front();
      script_.failures.pop_front();
      throw failure;
    }
    if (script_.failure) throw *script_.failure;
    if (script_.answers.empty()) throw std::logic_error{"the script of the model has no further answer"};
    auto answer = std::move(script_.answers.front());
    script_.answers.pop_front();
    if (sink && !answer.text.empty()) sink(answer.text);
    co_return answer;
  }

 private:
  Script& script_;
};

}  // namespace omnibus::llm::test
