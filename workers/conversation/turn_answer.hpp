/// What a model answers in a turn. Pure.
#pragma once

#include "assistant/answer_form.hpp"
#include "text/invalid_field.hpp"
#include "uuid/uuid.hpp"
#include "workers/conversation/guidance.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::conversation {

/// A turn as the model answers it.
struct TurnAnswer {
  static constexpr std::string_view form = "agent_turn.v1";
  std::string message;
  bool end = false;            ///< nothing is left to discuss
  std::vector<Uuid> touched;   ///< insights
  std::vector<Uuid> advanced;  ///< insights
};
BOOST_DESCRIBE_STRUCT(TurnAnswer, (), (message, end, touched, advanced))

/// The form of a turn's answer, which lists the insights that it may name.
assistant::AnswerForm turn_form(std::span<GivenInsight const> given);

/// Takes over how far the answer takes each of the given insights: one that is named as both is advanced, one that is
/// not named is neither. @return what is wrong, if it names an insight that was not given.
std::optional<InvalidField> take_extents(TurnAnswer const& answer, std::span<GivenInsight> given);

}  // namespace omnibus::conversation
