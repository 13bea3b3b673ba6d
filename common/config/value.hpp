/// How one setting's text is read and written.
#pragma once

#include "config/types.hpp"

#include <charconv>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>

#include <boost/describe/enum_from_string.hpp>
#include <boost/describe/enum_to_string.hpp>
#include <boost/describe/enumerators.hpp>
#include <boost/mp11/algorithm.hpp>

namespace omnibus::config {

/// Why a text is not a valid value: "must be a whole number".
struct ValueError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

namespace detail {

bool read_bool(std::string_view text);
double read_double(std::string_view text);
std::int64_t read_integer(std::string_view text);
/// In nanoseconds. `500ms`, `30s`, `5m`, `2h`, `7d`; a number without unit is rejected as ambiguous.
std::int64_t read_duration(std::string_view text);
ByteSize read_bytes(std::string_view text);
ListenAddress read_listen_address(std::string_view text);
std::string write_double(double value);
std::string write_duration(std::int64_t nanoseconds);
std::string write_bytes(ByteSize size);
std::string write_listen_address(ListenAddress const& address);

template <class T>
struct IsDuration : std::false_type {};
template <class Rep, class Period>
struct IsDuration<std::chrono::duration<Rep, Period>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class E>
std::string enumerators() {
  std::string names;
  boost::mp11::mp_for_each<boost::describe::describe_enumerators<E>>(
      [&](auto each) { names += (names.empty() ? "" : ", ") + std::string(each.name); });
  return names;
}

}  // namespace detail

/// Reads a value of type T. @throws ValueError with the rule that the text breaks.
template <class T>
T read_value(std::string_view text) {
  if constexpr (detail::IsOptional<T>::value) {
    return read_value<typename T::value_type>(text);
  } else if constexpr (std::same_as<T, std::string>) {
    return std::string(text);
  } else if constexpr (std::same_as<T, Secret>) {
    return Secret(std::string(text));
  } else if constexpr (std::same_as<T, bool>) {
    return detail::read_bool(text);
  } else if constexpr (std::same_as<T, ByteSize>) {
    return detail::read_bytes(text);
  } else if constexpr (std::same_as<T, ListenAddress>) {
    return detail::read_listen_address(text);
  } else if constexpr (detail::IsDuration<T>::value) {
    auto const exact = std::chrono::nanoseconds(detail::read_duration(text));
    auto const value = std::chrono::duration_cast<T>(exact);
    if (value != exact) throw ValueError("is finer than this setting can hold");
    return value;
  } else if constexpr (std::is_enum_v<T>) {
    T value{};
    if (!boost::describe::enum_from_string(std::string(text).c_str(), value)) {
      throw ValueError("must be one of " + detail::enumerators<T>());
    }
    return value;
  } else if constexpr (std::floating_point<T>) {
    return static_cast<T>(detail::read_double(text));
  } else {
    static_assert(std::integral<T>, "a setting of this type cannot be read");
    auto const value = detail::read_integer(text);
    if (!std::in_range<T>(value)) throw ValueError("is out of range");
    return static_cast<T>(value);
  }
}

/// The text `read_value` reads back; secrets masked; an unset optional is empty.
template <class T>
std::string write_value(T const& value) {
  if constexpr (detail::IsOptional<T>::value) {
    return value ? write_value(*value) : std::string();
  } else if constexpr (std::same_as<T, std::string>) {
    return value;
  } else if constexpr (std::same_as<T, Secret>) {
    return value.empty() ? "" : "********";
  } else if constexpr (std::same_as<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::same_as<T, ByteSize>) {
    return detail::write_bytes(value);
  } else if constexpr (std::same_as<T, ListenAddress>) {
    return detail::write_listen_address(value);
  } else if constexpr (detail::IsDuration<T>::value) {
    return detail::write_duration(std::chrono::nanoseconds(value).count());
  } else if constexpr (std::is_enum_v<T>) {
    return boost::describe::enum_to_string(value, "");
  } else if constexpr (std::floating_point<T>) {
    return detail::write_double(value);
  } else {
    return std::to_string(value);
  }
}

/// The value as a number in the unit of its bounds: durations in seconds, sizes in bytes; nothing for types without
template <class T>
std::optional<double> magnitude(T const& value) {
  if constexpr (detail::IsOptional<T>::value) {
    return value ? magnitude(*value) : std::nullopt;
  } else if constexpr (std::same_as<T, ByteSize>) {
    return static_cast<double>(value.bytes);
  } else if constexpr (detail::IsDuration<T>::value) {
    return std::chrono::duration<double>(value).count();
  } else if constexpr (std::is_arithmetic_v<T> && !std::same_as<T, bool>) {
    return static_cast<double>(value);
  } else {
    return std::nullopt;
  }
}

/// A bound of `magnitude` as the setting's own text form.
template <class T>
std::string write_bound(double bound) {
  if constexpr (detail::IsOptional<T>::value) {
    return write_bound<typename T::value_type>(bound);
  } else if constexpr (std::same_as<T, ByteSize>) {
    return detail::write_bytes({static_cast<std::uint64_t>(bound)});
  } else if constexpr (detail::IsDuration<T>::value) {
    return detail::write_duration(static_cast<std::int64_t>(bound * 1e9));
  } else {
    return detail::write_double(bound);
  }
}

}  // namespace omnibus::config
