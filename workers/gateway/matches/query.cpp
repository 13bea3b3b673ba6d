#include "workers/gateway/matches/query.hpp"

#include "json/utf8.hpp"
#include "text/rules.hpp"
#include "time/time.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <charconv>

namespace omnibus::gateway {
namespace {

constexpr std::int64_t usual_page = 10;
constexpr std::int64_t longest_page = 100;
constexpr std::size_t longest_query_name = 200;

[[noreturn]] void refuse_parameter(std::string_view name, std::string must) {
  throw Refusal::invalid(std::string(name), "It must be " + std::move(must));
}

/// The whole text as a number; nothing for anything else.
template <class Number>
std::optional<Number> whole_number(std::string_view text) {
  Number number{};
  auto const* const end = text.data() + text.size();
  auto const [last, error] = std::from_chars(text.data(), end, number);
  return error == std::errc() && last == end && !text.empty() ? std::optional{number} : std::nullopt;
}

std::int64_t query_count(http::Request const& request, std::string_view name, std::int64_t otherwise,
                         std::int64_t least) {
  constexpr std::int64_t most = 1'000'000'000;
  auto const text = request.query_value(name);
  if (!text) return otherwise;
  auto const number = whole_number<std::int64_t>(*text);
  if (!number || *number < least || *number > most)
    refuse_parameter(name, "a whole number of at least " + std::to_string(least));
  return *number;
}

}  // namespace

std::optional<std::string> query_word(http::Request const& request, std::string_view name,
                                      std::initializer_list<std::string_view> words) {
  auto const text = request.query_value(name);
  if (!text) return std::nullopt;
  std::string listed;
  for (auto const word : words) {
    if (word == *text) return std::string(word);
    listed += listed.empty() ? "" : ", ";
    listed += word;
  }
  refuse_parameter(name, "one of " + listed);
}

std::optional<std::string> query_name(http::Request const& request, std::string_view name) {
  auto const text = request.query_value(name);
  if (!text) return std::nullopt;
  if (!json::is_utf8(*text) || rules::line(name, *text, longest_query_name))
    refuse_parameter(name, "a text of 1 to 200 characters without control characters");
  return std::string(*text);
}

std::optional<Uuid> query_uuid(http::Request const& request, std::string_view name) {
  auto const text = request.query_value(name);
  if (!text) return std::nullopt;
  auto const id = parse_uuid(*text);
  if (!id) refuse_parameter(name, "a UUID");
  return id;
}

std::optional<double> query_fraction(http::Request const& request, std::string_view name) {
  auto const text = request.query_value(name);
  if (!text) return std::nullopt;
  auto const number = whole_number<double>(*text);
  if (!number || !(*number >= 0 && *number <= 1)) refuse_parameter(name, "a number from 0 to 1");
  return number;
}

std::optional<bool> query_bool(http::Request const& request, std::string_view name) {
  auto const word = query_word(request, name, {"true", "false"});
  return word ? std::optional{*word == "true"} : std::nullopt;
}

std::optional<std::int64_t> query_time(http::Request const& request, std::string_view name) {
  auto const text = request.query_value(name);
  if (!text) return std::nullopt;
  auto const time = parse_time_or_date_ms(*text);
  if (!time) refuse_parameter(name, "a time such as 2026-11-20T12:00:00Z, or a date");
  return time;
}

std::optional<std::string> query_date(http::Request const& request, std::string_view name) {
  auto const text = request.query_value(name);
  if (!text) return std::nullopt;
  if (rules::date(name, *text)) refuse_parameter(name, "a date such as 2026-11-20");
  return std::string(*text);
}

matches::Page query_page(http::Request const& request) {
  return {std::min(query_count(request, "limit", usual_page, 1), longest_page), query_count(request, "offset", 0, 0)};
}

Uuid path_id(http::Request const& request) {
  auto const id = parse_uuid(request.parameter("id"));
  if (!id) throw Refusal(404, "Not found", {}, "id");
  return *id;
}

}  // namespace omnibus::gateway
