#include "compose/simulator/structured/schema.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include <boost/json.hpp>

namespace omnibus::simulator {
namespace {

namespace json = boost::json;

constexpr int most_nested = 200;
constexpr int most_steps = 100'000;

json::value const* keyword(json::object const& schema, std::string_view name) {
  return schema.if_contains({name.data(), name.size()});
}

bool is_number(json::value const& value) {
  return value.is_int64() || value.is_uint64() || value.is_double();
}

double number_of(json::value const& value) {
  return value.to_number<double>();
}

bool equal(json::value const& left, json::value const& right) {
  return is_number(left) && is_number(right) ? number_of(left) == number_of(right) : left == right;
}

bool is_of_type(json::value const& value, std::string_view type) {
  if (type == "integer") return is_number(value) && std::floor(number_of(value)) == number_of(value);
  if (type == "number") return is_number(value);
  if (type == "string") return value.is_string();
  if (type == "boolean") return value.is_bool();
  if (type == "array") return value.is_array();
  if (type == "object") return value.is_object();
  return type == "null" && value.is_null();
}

bool has_type(json::value const& value, json::object const& schema) {
  auto const* const type = keyword(schema, "type");
  if (type == nullptr) return true;
  if (auto const* const nullable = keyword(schema, "nullable")) {
    if (value.is_null() && nullable->is_bool() && nullable->get_bool()) return true;
  }
  auto const is = [&](json::value const& name) {
    return name.is_string() && is_of_type(value, {name.get_string().data(), name.get_string().size()});
  };
  if (auto const* const types = type->if_array()) return std::any_of(types->begin(), types->end(), is);
  return is(*type);
}

bool within(double number, json::object const& schema, char const* least, char const* most) {
  return number >= number_at(schema, least).value_or(number) && number <= number_at(schema, most).value_or(number);
}

bool number_fits(double number, json::object const& schema) {
  auto const step = number_at(schema, "multipleOf");
  return within(number, schema, "minimum", "maximum") &&
         number > number_at(schema, "exclusiveMinimum").value_or(number - 1) &&
         number < number_at(schema, "exclusiveMaximum").value_or(number + 1) &&
         !(step && *step > 0 && std::abs(number / *step - std::round(number / *step)) > 1e-9);
}

/// Compares one value with one schema; counts depth and steps, since a schema may contain itself.
class SchemaCheck {
 public:
  SchemaCheck(json::value const& root, int& steps) : root_(root), steps_(steps) {}

  bool fits(json::value const& value, json::value const& given, int depth) const {
    if (depth > most_nested || --steps_ < 0) return false;
    auto const* const found = resolved(given, root_);
    if (found == nullptr) return false;
    if (found->is_bool()) return found->get_bool();
    auto const* const schema = found->if_object();
    if (schema == nullptr) return false;
    if (!has_type(value, *schema)) return false;
    if (auto const* const only = keyword(*schema, "const"); only != nullptr && !equal(value, *only)) return false;
    if (auto const* const allowed = array_at(*schema, "enum")) {
      auto const same = [&](json::value const& each) { return equal(value, each); };
      if (std::none_of(allowed->begin(), allowed->end(), same)) return false;
    }
    if (is_number(value) && !number_fits(number_of(value), *schema)) return false;
    if (auto const* const text = value.if_string()) {
      auto const length = static_cast<double>(characters({text->data(), text->size()}));
      if (!within(length, *schema, "minLength", "maxLength")) return false;
    }
    if (auto const* const items = value.if_array(); items != nullptr && !items_fit(*items, *schema, depth))
      return false;
    if (auto const* const members = value.if_object(); members != nullptr && !members_fit(*members, *schema, depth))
      return false;
    return branches_fit(value, *schema, depth);
  }

 private:
  bool items_fit(json::array const& items, json::object const& schema, int depth) const {
    if (!within(static_cast<double>(items.size()), schema, "minItems", "maxItems")) return false;
    auto const* const first = array_at(schema, "prefixItems");
    auto const* const rest = keyword(schema, "items");
    for (std::size_t i = 0; i < items.size(); ++i) {
      auto const* const wanted = first != nullptr && i < first->size() ? &(*first)[i] : rest;
      if (wanted != nullptr && !fits(items[i], *wanted, depth + 1)) return false;
    }
    auto const* const unique = keyword(schema, "uniqueItems");
    if (unique == nullptr || !unique->is_bool() || !unique->get_bool()) return true;
    for (auto item = items.begin(); item != items.end(); ++item) {
      auto const same = [&](json::value const& each) { return equal(*item, each); };
      if (std::any_of(std::next(item), items.end(), same)) return false;
    }
    return true;
  }

  bool members_fit(json::object const& members, json::object const& schema, int depth) const {
    if (!within(static_cast<double>(members.size()), schema, "minProperties", "maxProperties")) return false;
    if (auto const* const required = array_at(schema, "required")) {
      auto const there = [&](json::value const& name) {
        return name.is_string() && members.contains(name.get_string());
      };
      if (!std::all_of(required->begin(), required->end(), there)) return false;
    }
    auto const* const properties = object_at(schema, "properties");
    auto const* const others = keyword(schema, "additionalProperties");
    for (auto const& member : members) {
      auto const* const property = properties != nullptr ? properties->if_contains(member.key()) : nullptr;
      auto const* const wanted = property != nullptr ? property : others;
      if (wanted != nullptr && !fits(member.value(), *wanted, depth + 1)) return false;
    }
    return true;
  }

  bool branches_fit(json::value const& value, json::object const& schema, int depth) const {
    auto const one_fits = [&](json::value const& branch) { return fits(value, branch, depth + 1); };
    if (auto const* const all = array_at(schema, "allOf"); all != nullptr)
      if (!std::all_of(all->begin(), all->end(), one_fits)) return false;
    if (auto const* const any = array_at(schema, "anyOf"); any != nullptr)
      if (std::none_of(any->begin(), any->end(), one_fits)) return false;
    if (auto const* const one = array_at(schema, "oneOf"); one != nullptr)
      if (std::count_if(one->begin(), one->end(), one_fits) != 1) return false;
    auto const* const never = keyword(schema, "not");
    return never == nullptr || !fits(value, *never, depth + 1);
  }

  json::value const& root_;
  int& steps_;
};

}  // namespace

bool fits(json::value const& value, json::value const& schema, json::value const& root) {
  auto steps = most_steps;
  return fits(value, schema, root, steps);
}

bool fits(json::value const& value, json::value const& schema, json::value const& root, int& steps) {
  return SchemaCheck(root, steps).fits(value, schema, 0);
}

json::value const* resolved(json::value const& schema, json::value const& root) {
  auto const* found = &schema;
  for (auto steps = 0; steps < 20; ++steps) {
    auto const* const object = found->if_object();
    auto const* const target = object != nullptr ? object->if_contains("$ref") : nullptr;
    if (target == nullptr) return found;
    if (!target->is_string() || target->get_string().empty() || target->get_string().front() != '#') return nullptr;
    json::error_code error;
    found = root.find_pointer(std::string(target->get_string().c_str() + 1), error);
    if (error || found == nullptr) return nullptr;
  }
  return nullptr;
}

json::object const* object_at(json::object const& schema, std::string_view name) {
  auto const* const value = keyword(schema, name);
  return value != nullptr ? value->if_object() : nullptr;
}

json::array const* array_at(json::object const& schema, std::string_view name) {
  auto const* const value = keyword(schema, name);
  return value != nullptr ? value->if_array() : nullptr;
}

std::optional<double> number_at(json::object const& schema, std::string_view name) {
  auto const* const value = keyword(schema, name);
  return value != nullptr && is_number(*value) ? std::optional(number_of(*value)) : std::nullopt;
}

std::optional<std::size_t> count_at(json::object const& schema, std::string_view name, std::size_t most) {
  auto const number = number_at(schema, name);
  if (!number) return std::nullopt;
  return static_cast<std::size_t>(std::clamp(*number, 0.0, static_cast<double>(most)));
}

std::string_view description_of(json::object const& schema) {
  auto const* const description = keyword(schema, "description");
  auto const* const text = description != nullptr ? description->if_string() : nullptr;
  return text != nullptr ? std::string_view{text->data(), text->size()} : std::string_view{};
}

std::int64_t characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; });
}

}  // namespace omnibus::simulator
