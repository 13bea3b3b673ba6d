/// Reading the query of a request. Each function returns nothing when the parameter is missing.
#pragma once

#include "http/message.hpp"
#include "matches/reads.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// Each @throws Refusal 400 that names the parameter.
std::optional<std::string> query_word(http::Request const& request, std::string_view name,
                                      std::initializer_list<std::string_view> words);
/// UTF-8 of 1 to 200 bytes without control characters.
std::optional<std::string> query_name(http::Request const& request, std::string_view name);
std::optional<Uuid> query_uuid(http::Request const& request, std::string_view name);
/// 0 to 1.
std::optional<double> query_fraction(http::Request const& request, std::string_view name);
/// `true` or `false`.
std::optional<bool> query_bool(http::Request const& request, std::string_view name);
/// A time of RFC 3339 or a date, in ms since 1970.
std::optional<std::int64_t> query_time(http::Request const& request, std::string_view name);
/// A date, as 2026-11-30.
std::optional<std::string> query_date(http::Request const& request, std::string_view name);
/// `limit` (10, at most 100) and `offset`.
matches::Page query_page(http::Request const& request);

/// The `{id}` of a path. @throws Refusal 404 when it is no UUID.
Uuid path_id(http::Request const& request);

}  // namespace omnibus::gateway
