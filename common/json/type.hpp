#pragma once

#include "json/raw.hpp"
#include "uuid/uuid.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/describe/class.hpp>
#include <boost/describe/members.hpp>

/// The contents of BOOST_DESCRIBE for a struct, as constant tables: decoding, encoding and the test that compares
/// structs with their schemas use these tables, so only this file needs templates.
namespace omnibus::json {

enum class Kind : std::uint8_t { string, boolean, int32, int64, number, uuid, raw, object, array, optional };

struct Type;

/// One member of a described struct.
struct ObjectField {
  std::string_view name;
  Type const* type;
  void* (*of)(void* object);  ///< the member's address within its object
};

/// How a C++ type is represented in JSON. Pointers marked "array" or "optional" are set for these kinds only.
struct Type {
  Kind kind;
  Type const* element = nullptr;                                       ///< array, optional: the element's type
  std::span<ObjectField const> fields = {};                            ///< object
  void* (*emplace)(void* holder) = nullptr;                            ///< array, optional: creates a new element
  std::size_t (*size)(void const* holder) = nullptr;                   ///< array, optional: how many elements it has
  void const* (*at)(void const* holder, std::size_t index) = nullptr;  ///< array, optional: one of them
};

/// Decoding marks the fields it has seen in a word with this many bits.
inline constexpr std::size_t max_fields = 64;

namespace detail {

template <class T>
struct TypeOf;

}  // namespace detail

/// The table of a type: std::string, bool, std::int32_t, std::int64_t, double, Uuid, Raw, a described struct, and
/// std::optional and std::vector of these. Any other type does not compile.
template <class T>
inline constexpr Type type_of = detail::TypeOf<T>::table();

namespace detail {

template <class T, class Descriptor>
void* member_of(void* object) {
  return &(static_cast<T*>(object)->*Descriptor::pointer);
}

template <class T, template <class...> class List, class... Descriptor>
constexpr auto fields_from(List<Descriptor...>) {
  return std::array<ObjectField, sizeof...(Descriptor)>{ObjectField{
      Descriptor::name, &type_of<std::remove_reference_t<decltype(std::declval<T&>().*Descriptor::pointer)>>,
      &member_of<T, Descriptor>}...};
}

template <class T>
inline constexpr auto fields_of = fields_from<T>(
    boost::describe::describe_members<T, boost::describe::mod_public | boost::describe::mod_inherited>{});

template <class T>
struct TypeOf {
  static constexpr Type table() {
    static_assert(boost::describe::has_describe_members<T>::value, "this type has no form in JSON");
    static_assert(fields_of<T>.size() <= max_fields);
    return {.kind = Kind::object, .fields = fields_of<T>};
  }
};

template <Kind kind>
struct Scalar {
  static constexpr Type table() { return {.kind = kind}; }
};

template <>
struct TypeOf<std::string> : Scalar<Kind::string> {};
template <>
struct TypeOf<bool> : Scalar<Kind::boolean> {};
template <>
struct TypeOf<std::int32_t> : Scalar<Kind::int32> {};
template <>
struct TypeOf<std::int64_t> : Scalar<Kind::int64> {};
template <>
struct TypeOf<double> : Scalar<Kind::number> {};
template <>
struct TypeOf<Uuid> : Scalar<Kind::uuid> {};
template <>
struct TypeOf<Raw> : Scalar<Kind::raw> {};

template <class T>
struct TypeOf<std::optional<T>> {
  static constexpr Type table() {
    return {
        .kind = Kind::optional,
        .element = &type_of<T>,
        .emplace = [](void* holder) -> void* { return &static_cast<std::optional<T>*>(holder)->emplace(); },
        .size = [](void const* holder) -> std::size_t {
          return static_cast<std::optional<T> const*>(holder)->has_value() ? 1 : 0;
        },
        .at = [](void const* holder, std::size_t) -> void const* {
          return &**static_cast<std::optional<T> const*>(holder);
        },
    };
  }
};

template <class T>
struct TypeOf<std::vector<T>> {
  static_assert(!std::is_same_v<T, bool>, "the elements of a vector<bool> have no address");
  static constexpr Type table() {
    return {
        .kind = Kind::array,
        .element = &type_of<T>,
        .emplace = [](void* holder) -> void* { return &static_cast<std::vector<T>*>(holder)->emplace_back(); },
        .size = [](void const* holder) -> std::size_t { return static_cast<std::vector<T> const*>(holder)->size(); },
        .at = [](void const* holder, std::size_t index) -> void const* {
          return &(*static_cast<std::vector<T> const*>(holder))[index];
        },
    };
  }
};

}  // namespace detail
}  // namespace omnibus::json
