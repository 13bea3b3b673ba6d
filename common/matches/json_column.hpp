/// Lets a row's member be a json::Raw: the text of a jsonb column.
#pragma once

#include "json/raw.hpp"

#include <string>
#include <string_view>

#include <pqxx/pqxx>

template <>
struct pqxx::nullness<omnibus::json::Raw> : pqxx::no_null<omnibus::json::Raw> {};

template <>
struct pqxx::string_traits<omnibus::json::Raw> {
  static constexpr bool converts_from_string = true;
  static constexpr bool converts_to_string = false;
  static omnibus::json::Raw from_string(std::string_view text) { return {std::string{text}}; }
};
