#include "json/members.hpp"

#include "json/walker.hpp"

namespace omnibus::json {
namespace {

Member::Kind kind_of(std::string_view token) {
  switch (token.empty() ? '\0' : token.front()) {
    case '{':
      return Member::Kind::object;
    case '[':
      return Member::Kind::array;
    case '"':
      return Member::Kind::string;
    case 't':
    case 'f':
      return Member::Kind::boolean;
    case 'n':
      return Member::Kind::null;
    default:
      return Member::Kind::number;
  }
}

}  // namespace

std::optional<DecodeError> each_member(std::string_view text, Limits const& limits,
                                       std::function<std::optional<DecodeError>(Member const&)> const& visit) {
  detail::Walker walker(limits);
  simdjson::ondemand::object root;
  if (!walker.open(text, root)) return walker.take_error();
  for (auto result : root) {
    simdjson::ondemand::field field;
    if (std::move(result).get(field) != simdjson::SUCCESS) return DecodeError{{}, "is not valid JSON"};
    Member member{};
    if (!walker.key(field, member.name)) return walker.take_error();
    walker.remember_key(member.name);
    auto const token = detail::Walker::token(field.value());
    member.kind = kind_of(token);
    bool const valid = member.kind == Member::Kind::string ? walker.string(field.value(), token, member.string)
                                                           : walker.skip(field.value(), 1, member.text);
    if (!valid) return walker.take_error();
    if (member.kind == Member::Kind::string) member.text = token;
    if (auto refused = visit(member)) return refused;
  }
  if (!walker.check_distinct_keys(0) || !walker.close()) return walker.take_error();
  return std::nullopt;
}

bool is_object(std::string_view text) {
  return !each_member(text, {}, [](Member const&) { return std::optional<DecodeError>{}; });
}

}  // namespace omnibus::json
