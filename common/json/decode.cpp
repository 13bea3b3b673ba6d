#include "json/decode.hpp"

#include "json/walker.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <string>

namespace omnibus::json {
namespace {

using simdjson::ondemand::array;
using simdjson::ondemand::field;
using simdjson::ondemand::object;
using simdjson::ondemand::value;

using detail::UnknownField;

constexpr std::size_t longest_told_name = 64;

/// Whether an error may contain an unknown field's name: only if it looks like a name and not like a value.
bool is_identifier(std::string_view name) {
  auto const is_letter = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; };
  return !name.empty() && name.size() <= longest_told_name && is_letter(name.front()) &&
         std::all_of(name.begin(), name.end(), [&](char c) { return is_letter(c) || (c >= '0' && c <= '9'); });
}

/// Fills described structs from one document.
class Decoder {
 public:
  Decoder(detail::Walker& walker, UnknownField unknown) : walker_(walker), unknown_(unknown) {}

  bool read_object(object& source, Type const& type, void* target, std::size_t depth);

 private:
  bool read(value& source, Type const& type, void* target, std::size_t depth);
  bool read_array(value& source, Type const& type, void* target, std::size_t depth);
  bool read_string(value& source, std::string_view token, std::string& target);
  bool read_boolean(std::string_view token, bool& target);
  bool read_int32(value& source, std::int32_t& target);
  bool read_int64(value& source, std::int64_t& target);
  bool read_number(value& source, double& target);
  bool read_uuid(value& source, std::string_view token, Uuid& target);
  bool read_raw(value& source, std::size_t depth, Raw& target);
  bool refuse_unknown(std::string_view key);

  detail::Walker& walker_;
  UnknownField unknown_;
};

/// The position of a key among the fields, or their number. Producers mostly keep our order, so the one after
/// the last one found is tried first.
std::size_t position_of(std::string_view key, std::span<ObjectField const> fields, std::size_t expected) {
  if (expected < fields.size() && fields[expected].name == key) return expected;
  for (std::size_t i = 0; i < fields.size(); ++i)
    if (fields[i].name == key) return i;
  return fields.size();
}

bool Decoder::read_object(object& source, Type const& type, void* target, std::size_t depth) {
  std::uint64_t seen = 0;
  std::size_t expected = 0;
  auto const mark = walker_.mark_keys();
  for (auto result : source) {
    field member;
    if (std::move(result).get(member) != simdjson::SUCCESS) return walker_.refuse_syntax();
    std::string_view key;
    if (!walker_.key(member, key)) return false;
    auto const position = position_of(key, type.fields, expected);
    if (position == type.fields.size()) {
      if (unknown_ == UnknownField::refused) return refuse_unknown(key);
      walker_.remember_key(key);
      if (!walker_.skip(member.value(), depth)) return false;
      continue;
    }
    auto const& known = type.fields[position];
    auto const bit = std::uint64_t{1} << position;
    if ((seen & bit) != 0) return walker_.refuse("appears twice") || walker_.refused_within(known.name);
    if (!read(member.value(), *known.type, known.of(target), depth)) return walker_.refused_within(known.name);
    seen |= bit;
    expected = position + 1;
  }
  if (!walker_.check_distinct_keys(mark)) return false;
  for (std::size_t i = 0; i < type.fields.size(); ++i) {
    bool const absent = (seen >> i & 1U) == 0;
    if (absent && type.fields[i].type->kind != Kind::optional)
      return walker_.refuse("is missing") || walker_.refused_within(type.fields[i].name);
  }
  return true;
}

bool Decoder::read_array(value& source, Type const& type, void* target, std::size_t depth) {
  array elements;
  if (!walker_.enter(source, depth, elements)) return false;
  std::size_t index = 0;
  for (auto result : elements) {
    value element;
    // NOLINTNEXTLINE(performance-move-const-arg): get() takes an rvalue only
    if (std::move(result).get(element) != simdjson::SUCCESS) return walker_.refuse_syntax();
    if (!walker_.check_array_length(index + 1)) return false;
    if (!read(element, *type.element, type.emplace(target), depth + 1))
      return walker_.refused_within(std::to_string(index));
    ++index;
  }
  return true;
}

bool Decoder::read(value& source, Type const& type, void* target, std::size_t depth) {
  auto const token = detail::Walker::token(source);
  switch (type.kind) {
    case Kind::string:
      return read_string(source, token, *static_cast<std::string*>(target));
    case Kind::boolean:
      return read_boolean(token, *static_cast<bool*>(target));
    case Kind::int32:
      return read_int32(source, *static_cast<std::int32_t*>(target));
    case Kind::int64:
      return read_int64(source, *static_cast<std::int64_t*>(target));
    case Kind::number:
      return read_number(source, *static_cast<double*>(target));
    case Kind::uuid:
      return read_uuid(source, token, *static_cast<Uuid*>(target));
    case Kind::raw:
      return read_raw(source, depth, *static_cast<Raw*>(target));
    case Kind::object: {
      if (!token.starts_with('{')) return walker_.refuse("must be an object");
      object nested;
      return walker_.enter(source, depth, nested) && read_object(nested, type, target, depth + 1);
    }
    case Kind::array:
      if (!token.starts_with('[')) return walker_.refuse("must be an array");
      return read_array(source, type, target, depth);
    case Kind::optional:
      return token == "null" || read(source, *type.element, type.emplace(target), depth);
  }
  return walker_.refuse_syntax();
}

bool Decoder::read_string(value& source, std::string_view token, std::string& target) {
  std::string_view text;
  if (!walker_.string(source, token, text)) return false;
  target.assign(text);
  return true;
}

bool Decoder::read_boolean(std::string_view token, bool& target) {
  target = token == "true";
  return target || token == "false" || walker_.refuse("must be true or false");
}

bool Decoder::read_int32(value& source, std::int32_t& target) {
  std::int64_t wide = 0;
  bool const fits = source.get_int64().get(wide) == simdjson::SUCCESS &&
                    wide >= std::numeric_limits<std::int32_t>::min() &&
                    wide <= std::numeric_limits<std::int32_t>::max();
  target = fits ? static_cast<std::int32_t>(wide) : 0;
  return fits || walker_.refuse("must be an integer of 32 bits");
}

bool Decoder::read_int64(value& source, std::int64_t& target) {
  return source.get_int64().get(target) == simdjson::SUCCESS || walker_.refuse("must be an integer of 64 bits");
}

bool Decoder::read_number(value& source, double& target) {
  return source.get_double().get(target) == simdjson::SUCCESS || walker_.refuse("must be a number of double precision");
}

bool Decoder::read_uuid(value& source, std::string_view token, Uuid& target) {
  std::string_view text;
  if (!walker_.string(source, token, text)) return false;
  auto const uuid = parse_uuid(text);
  if (!uuid) return walker_.refuse("must be a UUID");
  target = *uuid;
  return true;
}

bool Decoder::read_raw(value& source, std::size_t depth, Raw& target) {
  std::string_view text;
  if (!walker_.skip(source, depth, text)) return false;
  target.text.assign(text);
  return true;
}

bool Decoder::refuse_unknown(std::string_view key) {
  if (!is_identifier(key)) return walker_.refuse("has a field that is not known");
  return walker_.refuse("is not a known field") || walker_.refused_within(key);
}

}  // namespace

std::optional<DecodeError> detail::decode(std::string_view text, Limits const& limits, UnknownField unknown,
                                          Type const& type, void* target) {
  Walker walker(limits);
  object root;
  if (walker.open(text, root) && Decoder(walker, unknown).read_object(root, type, target, 1) && walker.close())
    return std::nullopt;
  return walker.take_error();
}

void throw_exception_from_error(DecodeError const& error, boost::source_location const&) {
  throw std::invalid_argument(error.message());
}

}  // namespace omnibus::json
