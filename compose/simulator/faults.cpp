#include "compose/simulator/faults.hpp"

#include "compose/simulator/answer.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <boost/describe/enum_from_string.hpp>
#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

[[noreturn]] void refuse(std::string_view part, std::string_view why) {
  throw std::invalid_argument(fmt::format("the fault '{}' {}", part, why));
}

template <class Number>
Number number(std::string_view text, std::string_view part) {
  Number value{};
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0)) refuse(part, "needs a number");
  return value;
}

void set_kind(OddityRule& rule, std::string_view name) {
  rule.kind = &find_oddity(name);
}

template <class Kind>
void set_kind(RuleOf<Kind>& rule, std::string_view name) {
  if (name == "429") {
    rule.kind = Kind::rate_limit;
  } else if (name.size() == 3 && name.find_first_not_of("0123456789") == std::string_view::npos) {
    rule.kind = Kind::error;
    rule.status = number<std::int64_t>(name, name);
  } else if (!boost::describe::enum_from_string(std::string(name).c_str(), rule.kind)) {
    refuse(name, "is of no known kind");
  }
}

template <class Kind>
void set(RuleOf<Kind>& rule, std::string_view name, std::string_view value) {
  auto const natural = [&] { return number<std::int64_t>(value, name); };
  if (name == "kind") return set_kind(rule, value);
  if (name == "every") {
    rule.every = natural();
  } else if (name == "probability") {
    rule.probability = number<double>(value, name);
  } else if (name == "match") {
    rule.match = value;
  } else if (name == "model" || name == "provider") {
    rule.asked = value;
  } else if (name == "times") {
    rule.times = natural();
  } else if (name == "ms") {
    rule.ms = natural();
  } else if (name == "retry_after") {
    rule.retry_after = natural();
  } else if (name == "status") {
    rule.status = natural();
  } else {
    refuse(name, "is no condition");
  }
}

template <class Kind>
RuleOf<Kind> const& checked(RuleOf<Kind> const& rule, std::string_view part) {
  if (rule.every < 1) refuse(part, "strikes every 1st or a later one");
  if (rule.probability > 1) refuse(part, "has a probability between 0 and 1");
  if (rule.status < 400 || rule.status > 599) refuse(part, "has a status between 400 and 599");
  return rule;
}

/// Oddities without conditions take turns.
void share(std::vector<OddityRule>& rules) {
  auto const unconditional = [](OddityRule const& rule) {
    return rule.every == 1 && rule.probability >= 1 && rule.match.empty() && rule.asked.empty() && !rule.times;
  };
  auto const sharing = std::count_if(rules.begin(), rules.end(), unconditional);
  std::int64_t turn = sharing;
  for (auto& rule : rules) {
    if (!unconditional(rule)) continue;
    rule.every = sharing;
    rule.turn = --turn;
  }
}

template <class Kind>
void share(std::vector<RuleOf<Kind>>&) {}

/// Takes the text up to the separator, and the separator, off the front.
std::string_view take(std::string_view& text, char separator) {
  auto const end = std::min(text.find(separator), text.size());
  auto const part = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return part;
}

}  // namespace

template <class Kind>
std::vector<RuleOf<Kind>> parse_faults(std::string_view specification) {
  std::vector<RuleOf<Kind>> rules;
  while (!specification.empty()) {
    auto const part = take(specification, ';');
    if (part.empty()) continue;
    auto rest = part;
    RuleOf<Kind> rule;
    set_kind(rule, take(rest, ':'));
    while (!rest.empty()) {
      auto value = take(rest, ',');
      auto const name = take(value, '=');
      set(rule, name, value);
    }
    rules.push_back(checked(rule, part));
  }
  share(rules);
  return rules;
}

template <class Kind>
std::vector<RuleOf<Kind>> parse_fault_rules(std::string_view text) {
  boost::json::error_code error;
  auto const document = boost::json::parse({text.data(), text.size()}, error);
  auto const* const object = error ? nullptr : document.if_object();
  auto const* const listed = object != nullptr ? object->if_contains("rules") : nullptr;
  if (listed == nullptr || !listed->is_array())
    throw std::invalid_argument("an object with an array 'rules' is needed");
  std::vector<RuleOf<Kind>> rules;
  for (auto const& entry : listed->get_array()) {
    auto const* const fields = entry.if_object();
    if (fields == nullptr || !fields->contains("kind")) throw std::invalid_argument("every rule needs a kind");
    RuleOf<Kind> rule;
    for (auto const& field : *fields) {
      auto const name = std::string_view(field.key().data(), field.key().size());
      auto const* const string = field.value().if_string();
      set(rule, name, string != nullptr ? std::string(string->c_str()) : boost::json::serialize(field.value()));
    }
    rules.push_back(checked(rule, "rule"));
  }
  share(rules);
  return rules;
}

template <class Kind>
PlanOf<Kind>::PlanOf(std::vector<RuleOf<Kind>> rules, std::uint64_t seed) : seed_(seed) {
  for (auto& rule : rules) rules_.push_back({std::move(rule)});
}

template <class Kind>
RuleOf<Kind> const* PlanOf<Kind>::next(std::string_view text, std::string_view asked) {
  RuleOf<Kind> const* struck = nullptr;
  for (std::size_t i = 0; i < rules_.size(); ++i) {
    auto& [rule, matched, times] = rules_[i];
    if (!rule.match.empty() && text.find(rule.match) == std::string_view::npos) continue;
    if (!rule.asked.empty() && rule.asked != asked) continue;
    ++matched;
    if (struck != nullptr ||
        (matched + static_cast<std::uint64_t>(rule.turn)) % static_cast<std::uint64_t>(rule.every) != 0)
      continue;
    if (rule.times && times >= *rule.times) continue;
    auto const draw = static_cast<double>(stable_hash(fmt::format("{} {}", i, matched), seed_) >> 11) * 0x1p-53;
    if (draw >= rule.probability) continue;
    ++times;
    struck = &rule;
  }
  return struck;
}

template class PlanOf<FaultKind>;
template class PlanOf<SendFaultKind>;
template class PlanOf<OddWay const*>;
template std::vector<FaultRule> parse_faults(std::string_view);
template std::vector<SendFaultRule> parse_faults(std::string_view);
template std::vector<OddityRule> parse_faults(std::string_view);
template std::vector<FaultRule> parse_fault_rules(std::string_view);
template std::vector<SendFaultRule> parse_fault_rules(std::string_view);
template std::vector<OddityRule> parse_fault_rules(std::string_view);

}  // namespace omnibus::simulator
