#include "assistant/answer_shape.hpp"
#include "json/encode.hpp"
#include "json/loose.hpp"
#include "text/words.hpp"
#include "uuid/uuid.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <locale>
#include <system_error>
#include <utility>

#include <boost/algorithm/string/case_conv.hpp>
#include <boost/algorithm/string/erase.hpp>
#include <fmt/format.h>

namespace omnibus::assistant {
namespace {

using Kind = AnswerShape::Kind;

constexpr double largest_whole = 9e15;  // every whole number up to here is exact

/// What is left of an enum value when case and separators do not count.
std::string folded(std::string_view value) {
  constexpr std::array<std::string_view, 9> separators{" ",      "-",      "_",      "\t",    "\n",
                                                       "\u00A0", "\u2010", "\u2011", "\u202F"};
  auto result = boost::algorithm::to_lower_copy(std::string{value}, std::locale::classic());
  for (auto const separator : separators) boost::algorithm::erase_all(result, separator);
  return result;
}

/// The value that is meant: the same, or the only one that is the same when folded.
std::optional<std::string> meant(std::vector<std::string> const& allowed, std::string const& value) {
  if (std::find(allowed.begin(), allowed.end(), value) != allowed.end()) return value;
  std::optional<std::string> found;
  for (auto const& each : allowed) {
    if (folded(each) != folded(value)) continue;
    if (found) return std::nullopt;
    found = each;
  }
  return found;
}

std::size_t count_characters(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0U) != 0x80U; }));
}

/// Such as "must be a number from 0 to 1".
std::string number_rule(AnswerShape const& shape) {
  std::string rule{shape.kind == Kind::integer ? "must be a whole number" : "must be a number"};
  if (shape.minimum) rule += fmt::format(" from {}", *shape.minimum);
  if (shape.maximum) rule += fmt::format(" to {}", *shape.maximum);
  return rule;
}

/// One answer while it is fitted. Functions that return bool return false once it does not fit.
class ShapeFitter {
 public:
  bool fit(json::LooseReader& reader, AnswerShape const& shape, std::string& out) {
    if (shape.nullable && reader.peek() == 'n') {
      out += reader.raw();
      return true;
    }
    switch (shape.kind) {
      case Kind::object:
        return fit_object(reader, shape, out);
      case Kind::array:
        return fit_array(reader, shape, out);
      case Kind::string:
        return fit_string(reader, shape, out);
      case Kind::number:
      case Kind::integer:
        return fit_number(reader, shape, out);
      case Kind::boolean: {
        auto const text = reader.raw();
        out += text;
        return text == "true" || text == "false" || refuse("must be true or false");
      }
    }
    return false;
  }

  json::DecodeError take_misfit() { return std::move(misfit_); }

 private:
  bool fit_object(json::LooseReader& reader, AnswerShape const& shape, std::string& out) {
    if (reader.peek() != '{') return refuse("must be an object");
    std::vector<std::string> values(shape.names.size());
    auto good = true;
    reader.object([&](std::string_view key) {
      auto const found = std::find(shape.names.begin(), shape.names.end(), key);
      if (!good || found == shape.names.end()) return;
      auto const place = static_cast<std::size_t>(found - shape.names.begin());
      good = fit(reader, shape.shapes[place], values[place]) || refuse_within(*found);
    });
    if (!good) return false;
    for (std::size_t i = 0; i < values.size(); ++i) {
      if (values[i].empty()) return refuse("is missing") || refuse_within(shape.names[i]);
      out += i == 0 ? '{' : ',';
      json::append_string(out, shape.names[i]);
      out.append(":").append(values[i]);
    }
    out += '}';
    return true;
  }

  bool fit_array(json::LooseReader& reader, AnswerShape const& shape, std::string& out) {
    if (reader.peek() != '[') return refuse("must be a list");
    std::vector<std::string> values;
    auto good = true;
    reader.array([&] {
      if (!good) return;
      good =
          fit(reader, shape.shapes.front(), values.emplace_back()) || refuse_within(std::to_string(values.size() - 1));
    });
    if (!good) return false;
    if (values.size() < shape.least) return refuse(fmt::format("must have {} or more elements", shape.least));
    if (values.size() > shape.most) return refuse(fmt::format("must have at most {} elements", shape.most));
    out += '[';
    for (auto const& value : values) {
      if (out.back() != '[') out += ',';
      out += value;
    }
    out += ']';
    std::sort(values.begin(), values.end());
    auto const repeats = std::adjacent_find(values.begin(), values.end()) != values.end();
    return !shape.unique || !repeats || refuse("must not have an element twice");
  }

  bool fit_string(json::LooseReader& reader, AnswerShape const& shape, std::string& out) {
    std::string text;
    if (!reader.string(text)) return refuse("must be a string");
    if (!shape.allowed.empty()) {
      auto value = meant(shape.allowed, text);
      if (!value) return refuse("must be one of the values of its enum");
      text = *std::move(value);
    } else if (shape.is_uuid) {
      auto const uuid = parse_uuid(text);
      if (!uuid) return refuse("must be a UUID");
      text = to_string(*uuid);
    } else {
      auto const length = count_characters(text);
      if (shape.least > 0 && !has_words(text)) return refuse("must not be empty");
      if (length < shape.least) return refuse(fmt::format("must have {} or more characters", shape.least));
      if (length > shape.most) return refuse(fmt::format("must have at most {} characters", shape.most));
    }
    json::append_string(out, text);
    return true;
  }

  bool fit_number(json::LooseReader& reader, AnswerShape const& shape, std::string& out) {
    auto const text = reader.raw();
    double value = 0;
    auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    auto const is_number = error == std::errc{} && end == text.data() + text.size() && std::isfinite(value);
    if (!is_number || value < shape.minimum.value_or(value) || value > shape.maximum.value_or(value))
      return refuse(number_rule(shape));
    if (shape.kind == Kind::integer) {
      if (value != std::floor(value) || std::abs(value) > largest_whole) return refuse(number_rule(shape));
      out += std::to_string(static_cast<std::int64_t>(value));
    } else {
      out += value == 0 ? "0" : text;  // -0 is stored as 0
    }
    return true;
  }

  bool refuse(std::string reason) {
    misfit_ = {{}, std::move(reason)};
    return false;
  }
  bool refuse_within(std::string const& field) {
    misfit_.field = misfit_.field.empty() ? field : field + '.' + misfit_.field;
    return false;
  }

  json::DecodeError misfit_;
};

}  // namespace

boost::system::result<std::string, json::DecodeError> fit(AnswerShape const& shape, std::string_view object) {
  json::LooseReader reader{object};
  ShapeFitter fitter;
  std::string fitted;
  if (fitter.fit(reader, shape, fitted)) return {boost::system::in_place_value, std::move(fitted)};
  return {boost::system::in_place_error, fitter.take_misfit()};
}

}  // namespace omnibus::assistant
