#include "compose/simulator/structured/structured.hpp"

#include "compose/simulator/answer.hpp"
#include "compose/simulator/structured/schema.hpp"
#include "compose/simulator/structured/values.hpp"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <boost/json.hpp>
#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

constexpr int deep = 6;      // from here on only what is required
constexpr int deepest = 60;  // a value nested so deeply has no end
constexpr int most_values = 5'000;
constexpr std::size_t most_items = 1'000;
constexpr int most_comparisons = 100'000;

/// Turns an object's fractions into shares of 1, with two places.
void share_out(json::object& members) {
  std::vector<std::pair<json::value*, std::int64_t>> weights;
  std::int64_t total = 0;
  for (auto& member : members) {
    if (!member.value().is_double()) continue;
    weights.emplace_back(&member.value(), 1 + std::llround(100 * std::clamp(member.value().get_double(), 0.0, 1.0)));
    total += weights.back().second;
  }
  std::int64_t left = 100;
  for (auto const& [share, weight] : weights) left -= 100 * weight / total;
  for (auto const& [share, weight] : weights)
    *share = static_cast<double>(100 * weight / total + (left-- > 0 ? 1 : 0)) / 100;
}

/// Invents a value for one question. Each part's choices depend on its path, so that a schema with one property more
/// keeps the others' values.
class Inventor {
 public:
  Inventor(json::value const& root, std::string_view question, std::uint64_t seed)
      : root_(root), question_(question), seed_(seed ^ stable_hash(question)) {}

  json::value invent(json::value const& given, std::string const& path, int depth) const {
    auto const* const found = resolved(given, root_);
    auto const* const object = found != nullptr ? found->if_object() : nullptr;
    if (depth > deepest || ++values_ > most_values) return nullptr;
    if (object == nullptr) return words(path);
    auto const schema = with_all_of(*object, depth);
    if (auto const* const only = schema.if_contains("const")) return *only;
    if (auto const* const allowed = array_at(schema, "enum"); allowed != nullptr && !allowed->empty()) {
      auto const& chosen = (*allowed)[hash(path) % allowed->size()];
      return chosen.is_null() ? allowed->front() : chosen;
    }
    for (auto const* const name : {"oneOf", "anyOf"})
      if (auto const* const branches = array_at(schema, name); branches != nullptr && !branches->empty())
        return of_branches(schema, name, *branches, path, depth);
    auto const type = type_of(schema, depth);
    if (type == "null") return nullptr;
    if (type == "boolean") return hash(path) % 2 == 0;
    if (type == "integer" || type == "number") return invented_number(schema, path, type == "integer", hash(path));
    if (type == "array") return items(schema, path, depth);
    if (type == "object") return members(schema, path, depth);
    return words(path, schema);
  }

 private:
  std::uint64_t hash(std::string_view path) const { return stable_hash(path, seed_); }

  json::value words(std::string const& path, json::object const& schema = {}) const {
    return json::value(invented_text(schema, path, question_, hash(path)));
  }

  /// The schema with those of its allOf.
  json::object with_all_of(json::object schema, int depth) const {
    auto const* const all = array_at(schema, "allOf");
    if (all == nullptr || depth > deepest || ++values_ > most_values) return schema;
    auto const parts = *all;
    schema.erase("allOf");
    for (auto const& part : parts) {
      auto const* const found = resolved(part, root_);
      if (found != nullptr && found->is_object())
        schema = merged(std::move(schema), with_all_of(found->get_object(), depth + 1));
    }
    return schema;
  }

  /// A value of one of the branches: one with an end when it is deep already, of oneOf one that no other branch takes.
  json::value of_branches(json::object const& schema, char const* name, json::array const& branches,
                          std::string const& path, int depth) const {
    json::object common = schema;
    common.erase(name);
    auto const first = depth < deep ? hash(path + '|') : 0;
    json::value invented;
    for (std::size_t i = 0; i < 2 * branches.size(); ++i) {
      auto const* const found = resolved(branches[(first + i) % branches.size()], root_);
      auto const* const branch = found != nullptr ? found->if_object() : nullptr;
      if (branch == nullptr || (depth < deep && i + 1 < branches.size() && is_null(*branch))) continue;
      auto const place = i < branches.size() ? path : path + '\'';
      invented = invent(merged(common, *branch), place, depth + 1);
      if (fits(invented, schema, root_, steps_)) return invented;
    }
    return fits(nullptr, schema, root_, steps_) ? json::value(nullptr) : invented;
  }

  static bool is_null(json::object const& schema) {
    auto const* const type = schema.if_contains("type");
    return type != nullptr && *type == "null";
  }

  static std::string type_of(json::object const& schema, int depth) {
    auto const* const type = schema.if_contains("type");
    if (type != nullptr && type->is_string()) return std::string(type->get_string());
    if (type != nullptr && type->is_array()) {
      std::vector<std::string> names;
      for (auto const& each : type->get_array())
        if (each.is_string()) names.emplace_back(each.get_string());
      std::stable_partition(names.begin(), names.end(),
                            [&](auto const& each) { return (each == "null") == (depth > deep); });
      if (!names.empty()) return names.front();
    }
    if (schema.contains("properties") || schema.contains("required")) return "object";
    if (schema.contains("items") || schema.contains("prefixItems")) return "array";
    for (auto const* const name : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"})
      if (schema.contains(name)) return "number";
    return "string";
  }

  json::value items(json::object const& schema, std::string const& path, int depth) const {
    auto const* const prefix = array_at(schema, "prefixItems");
    auto const* const rest = schema.if_contains("items");
    auto const least = count_at(schema, "minItems", most_items).value_or(0);
    auto const usual = depth < deep ? std::max<std::size_t>(least, 1 + hash(path) % 3) : least;
    auto const most = count_at(schema, "maxItems", most_items).value_or(usual);
    auto const wanted = std::max(std::min(usual, most), std::min(prefix != nullptr ? prefix->size() : 0, most));
    auto const* const unique = schema.if_contains("uniqueItems");
    auto const different = unique != nullptr && unique->is_bool() && unique->get_bool();
    json::array list;
    for (std::size_t tries = 0; list.size() < wanted && tries < wanted + 64; ++tries) {
      auto const* const item = prefix != nullptr && list.size() < prefix->size() ? &(*prefix)[list.size()] : rest;
      if (item != nullptr && item->is_bool() && !item->get_bool()) break;
      auto const place = fmt::format("{}/{}", path, tries);
      auto invented = item != nullptr ? invent(*item, place, depth + 1) : words(place);
      if (different && std::find(list.begin(), list.end(), invented) != list.end()) continue;
      list.push_back(std::move(invented));
    }
    return list;
  }

  json::value members(json::object const& schema, std::string const& path, int depth) const {
    json::object invented;
    auto const least = count_at(schema, "minProperties", most_items).value_or(0);
    auto const* const properties = object_at(schema, "properties");
    auto const* const required = array_at(schema, "required");
    auto const is_required = [&](json::string_view name) {
      return required != nullptr && std::find(required->begin(), required->end(), json::value(name)) != required->end();
    };
    if (properties != nullptr) {
      for (auto const& property : *properties) {
        auto const place = fmt::format("{}/{}", path, std::string_view(property.key().data(), property.key().size()));
        auto const wanted = depth < deep && hash(place + '?') % 4 != 0;
        if (wanted || invented.size() < least || is_required(property.key()))
          invented[property.key()] = invent(property.value(), place, depth + 1);
      }
    }
    auto const* const others = schema.if_contains("additionalProperties");
    auto const add = [&](json::string_view name) {
      auto const place = fmt::format("{}/{}", path, std::string_view(name.data(), name.size()));
      invented[name] = others != nullptr ? invent(*others, place, depth + 1) : words(place);
    };
    if (required != nullptr) {
      for (auto const& name : *required)
        if (name.is_string() && !invented.contains(name.get_string())) add(name.get_string());
    }
    auto const open = others != nullptr && others->is_object() && properties == nullptr;
    for (auto const& name : words_of(question_)) {
      if (invented.size() >= std::max<std::size_t>(least, open && depth < deep ? 2 : 0)) break;
      if (!invented.contains(name)) add(name);
    }
    if (description_of(schema).find("sum to 1") != std::string_view::npos) share_out(invented);
    return invented;
  }

  json::value const& root_;
  std::string_view question_;
  std::uint64_t seed_;
  mutable int values_ = 0;
  mutable int steps_ = most_comparisons;  // of all comparisons together
};

}  // namespace

json::value structured_value(json::value const& schema, std::string_view question, std::uint64_t seed) {
  return Inventor(schema, question, seed).invent(schema, {}, 0);
}

std::string structured_answer(Question const& question, std::uint64_t seed) {
  if (question.form == Question::Form::json_schema)
    return json::serialize(structured_value(question.schema, question.told, seed));
  return json::serialize(json::object{{"topic", topic_of(question.text)}, {"answer", answer_to(question.text, seed)}});
}

std::string misfitting_answer(Question const& question, std::uint64_t seed) {
  if (question.form != Question::Form::json_schema) return json::serialize(json::array{answer_to(question.text, seed)});
  auto const right = structured_value(question.schema, question.told, seed);
  std::vector<json::value> wrong;
  if (auto const* const members = right.if_object()) {
    for (auto const& member : *members) {  // one member of another type, one missing
      auto other = *members;
      other[member.key()] = member.value().is_object() ? json::value("none") : json::value(json::object{});
      wrong.emplace_back(std::move(other));
      auto fewer = *members;
      fewer.erase(member.key());
      wrong.emplace_back(std::move(fewer));
    }
  }
  wrong.insert(wrong.end(),
               {json::value(json::array{}), json::value("none"), json::value(nullptr), json::value(json::object{})});
  auto const found = std::find_if(wrong.begin(), wrong.end(), [&](json::value const& each) {
    return !fits(each, question.schema, question.schema);
  });
  return json::serialize(found != wrong.end() ? *found : right);
}

std::string unstructured_answer(Question const& question, std::uint64_t seed) {
  auto answer = structured_answer(question, seed);
  answer.resize(answer.size() / 2);
  while (!answer.empty() && (static_cast<unsigned char>(answer.back()) & 0x80) != 0) answer.pop_back();
  return "Sure, here is the JSON: " + answer;
}

}  // namespace omnibus::simulator
