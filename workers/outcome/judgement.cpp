#include "workers/outcome/judgement.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace omnibus::outcome {

assistant::AnswerForm judgement_form(std::size_t turns) {
  static constexpr std::string_view any_turn = R"("maximum": 10000)";
  auto schema = assistant::AnswerForm::named(OutcomeJudgement::form).schema();
  auto const at = schema.find(any_turn);
  if (at == std::string::npos) throw std::logic_error{"the form of judgements has no highest turn"};
  schema.replace(at, any_turn.size(), R"("maximum": )" + std::to_string(std::max<std::size_t>(turns, 1)));
  return {std::string{OutcomeJudgement::form}, std::move(schema)};
}

}  // namespace omnibus::outcome
