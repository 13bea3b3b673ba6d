#include "workers/conversation/turn_answer.hpp"

#include <algorithm>

#include <boost/algorithm/string/replace.hpp>

namespace omnibus::conversation {

assistant::AnswerForm turn_form(std::span<GivenInsight const> given) {
  auto const& any = assistant::AnswerForm::named(TurnAnswer::form);
  if (given.empty())
    return {any.name(), boost::replace_all_copy(any.schema(), R"("items":)", R"("maxItems": 0, "items":)")};
  std::string ids;
  for (auto const& each : given) ids += (ids.empty() ? "\"" : ", \"") + to_string(each.id) + '"';
  return {any.name(), boost::replace_all_copy(any.schema(), R"("format": "uuid")", "\"enum\": [" + ids + "]")};
}

std::optional<InvalidField> take_extents(TurnAnswer const& answer, std::span<GivenInsight> given) {
  for (auto& each : given) each.extent = Extent::none;
  auto const take = [&](std::vector<Uuid> const& named, Extent extent) {
    return std::ranges::all_of(named, [&](Uuid const& id) {
      auto const found = std::ranges::find(given, id, &GivenInsight::id);
      if (found == given.end()) return false;
      found->extent = extent;
      return true;
    });
  };
  if (!take(answer.touched, Extent::touched)) return InvalidField{"touched", "names an insight that was not given"};
  if (!take(answer.advanced, Extent::advanced)) return InvalidField{"advanced", "names an insight that was not given"};
  return std::nullopt;
}

}  // namespace omnibus::conversation
