#include "workers/gateway/webhooks/json_fields.hpp"

#include "json/decode.hpp"
#include "json/repair.hpp"
#include "workers/gateway/webhooks/inbound_event.hpp"

#include <algorithm>
#include <optional>
#include <utility>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

using Kind = json::Member::Kind;

struct JsonList {
  std::vector<json::Raw> elements;
};
BOOST_DESCRIBE_STRUCT(JsonList, (), (elements))

}  // namespace

JsonFields::JsonFields(std::string_view object) {
  auto const error = json::each_member(object, webhook_limits, [&](json::Member const& member) {
    auto const value = member.kind == Kind::string ? member.string : member.text;
    fields_.push_back({std::string(member.name), member.kind, std::string(value)});
    return std::optional<json::DecodeError>{};
  });
  if (error) fields_.clear();
}

JsonFields JsonFields::read_posted(std::string_view object) {
  JsonFields fields{object};
  return fields.empty() ? JsonFields{json::repaired_document(object)} : fields;
}

JsonFields::Field const* JsonFields::find(std::string_view name) const {
  auto const found = std::ranges::find(fields_, name, &Field::name);
  return found == fields_.end() ? nullptr : &*found;
}

std::string JsonFields::text(std::string_view name) const {
  auto const* const field = find(name);
  auto const scalar =
      field != nullptr && (field->kind == Kind::string || field->kind == Kind::number || field->kind == Kind::boolean);
  return scalar ? field->value : std::string{};
}

JsonFields JsonFields::object(std::string_view name) const {
  auto const* const field = find(name);
  return JsonFields{field != nullptr && field->kind == Kind::object ? std::string_view{field->value} : ""};
}

std::vector<JsonFields> JsonFields::objects(std::string_view name) const {
  std::vector<JsonFields> objects;
  auto const* const field = find(name);
  if (field == nullptr || field->kind != Kind::array) return objects;
  for (auto const& element : json_elements(field->value)) objects.emplace_back(element);
  return objects;
}

std::vector<std::string> json_elements(std::string_view array) {
  auto list = json::decode<JsonList>(std::string(R"({"elements":)").append(array).append("}"), webhook_limits);
  std::vector<std::string> elements;
  if (!list) return elements;
  for (auto& element : list->elements) elements.push_back(std::move(element.text));
  return elements;
}

}  // namespace omnibus::gateway
