#include "assistant/answer_shape.hpp"

#include "json/loose.hpp"
#include "json/members.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace omnibus::assistant {
namespace {

using Kind = AnswerShape::Kind;

[[noreturn]] void refuse_schema(std::string const& path, std::string const& reason) {
  throw std::invalid_argument("the schema of an answer: " + path + " " + reason);
}

std::optional<Kind> kind_named(std::string_view name) {
  constexpr std::array<std::pair<std::string_view, Kind>, 6> kinds{{{"object", Kind::object},
                                                                    {"array", Kind::array},
                                                                    {"string", Kind::string},
                                                                    {"number", Kind::number},
                                                                    {"integer", Kind::integer},
                                                                    {"boolean", Kind::boolean}}};
  for (auto const& [known, kind] : kinds)
    if (name == known) return kind;
  return std::nullopt;
}

bool read_strings(json::LooseReader& reader, std::vector<std::string>& values) {
  auto are_strings = true;
  auto const read = reader.array([&] { are_strings = reader.string(values.emplace_back()) && are_strings; });
  return read && are_strings;
}

bool read_count(json::LooseReader& reader, std::size_t& count) {
  auto const number = reader.integer();
  if (number && *number >= 0) count = static_cast<std::size_t>(*number);
  return number && *number >= 0;
}

bool read_bound(json::LooseReader& reader, std::optional<double>& bound) {
  auto const text = reader.raw();
  double value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc{} && end == text.data() + text.size()) bound = value;
  return bound.has_value();
}

/// One schema while it is read.
class ShapeReader {
 public:
  explicit ShapeReader(std::string path) : path_{std::move(path)} {}

  AnswerShape read(json::LooseReader& reader) {
    auto const is_object = reader.object([&](std::string_view key) {
      std::string const keyword{key};
      if (!read_keyword(reader, keyword))
        refuse_schema(path_, "has \"" + keyword + "\", or a value of it, that answers cannot have");
    });
    if (!is_object) refuse_schema(path_, "must be an object");
    if (!kind_) refuse_schema(path_, "needs a type");
    shape_.kind = *kind_;
    if (shape_.kind == Kind::array && shape_.shapes.size() != 1) refuse_schema(path_, "needs items");
    if (shape_.kind == Kind::object) check_strict();
    return std::move(shape_);
  }

 private:
  /// False when the keyword, or its value, is not known.
  bool read_keyword(json::LooseReader& reader, std::string const& keyword) {
    if (keyword == "type") return read_type(reader);
    if (keyword == "properties") return read_properties(reader);
    if (keyword == "required") return read_strings(reader, required_);
    if (keyword == "enum") return read_strings(reader, shape_.allowed) && !shape_.allowed.empty();
    if (keyword == "items") {
      shape_.shapes.push_back(ShapeReader{path_ + ".items"}.read(reader));
      return true;
    }
    if (keyword == "minItems" || keyword == "minLength") return read_count(reader, shape_.least);
    if (keyword == "maxItems" || keyword == "maxLength") return read_count(reader, shape_.most);
    if (keyword == "minimum") return read_bound(reader, shape_.minimum);
    if (keyword == "maximum") return read_bound(reader, shape_.maximum);
    if (keyword == "additionalProperties") return is_closed_ = reader.raw() == "false";
    if (keyword == "uniqueItems") return shape_.unique = reader.raw() == "true";
    if (keyword == "format") return shape_.is_uuid = reader.raw() == R"("uuid")";
    constexpr std::array<std::string_view, 5> describing{"$schema", "$id", "$comment", "title", "description"};
    return std::find(describing.begin(), describing.end(), keyword) != describing.end();
  }

  bool read_type(json::LooseReader& reader) {
    std::vector<std::string> names;
    auto const read = reader.peek() == '[' ? read_strings(reader, names) : reader.string(names.emplace_back());
    if (!read) return false;
    shape_.nullable = std::erase(names, "null") > 0;
    if (names.size() == 1) kind_ = kind_named(names.front());
    return kind_.has_value();
  }

  bool read_properties(json::LooseReader& reader) {
    return reader.object([&](std::string_view key) {
      shape_.names.emplace_back(key);
      shape_.shapes.push_back(ShapeReader{path_ + "." + shape_.names.back()}.read(reader));
    });
  }

  void check_strict() {
    auto names = shape_.names;
    std::sort(names.begin(), names.end());
    std::sort(required_.begin(), required_.end());
    if (names.empty() || names != required_) refuse_schema(path_, "must require all of its properties");
    if (!is_closed_) refuse_schema(path_, "must set additionalProperties to false");
  }

  std::string const path_;
  AnswerShape shape_;
  std::optional<Kind> kind_;
  std::vector<std::string> required_;
  bool is_closed_ = false;
};

}  // namespace

AnswerShape read_shape(std::string_view schema) {
  if (!json::is_object(schema)) refuse_schema("it", "must be one JSON object");
  json::LooseReader reader{schema};
  auto shape = ShapeReader{"it"}.read(reader);
  if (shape.kind != Kind::object || shape.nullable) refuse_schema("it", "must be that of an object");
  return shape;
}

}  // namespace omnibus::assistant
