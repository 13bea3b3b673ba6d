#include "workers/gateway/privacy/privacy_answers.hpp"

#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/matches/query.hpp"

#include <algorithm>
#include <charconv>

namespace omnibus::gateway {

ListPlace query_place(http::Request const& request) {
  constexpr std::int64_t longest = 200;
  ListPlace place;
  if (auto const text = request.query_value("limit")) {
    auto const* const end = text->data() + text->size();
    auto const [last, error] = std::from_chars(text->data(), end, place.limit);
    if (error != std::errc() || last != end || place.limit < 1)
      throw Refusal::invalid("limit", "It must be a whole number of at least 1");
    place.limit = std::min(place.limit, longest);
  }
  if (auto const text = request.query_value("cursor")) {
    place.after = privacy::parse_list_cursor(*text);
    if (!place.after) throw Refusal::invalid("cursor", "It must be the next_cursor of the page before");
  }
  return place;
}

std::optional<std::string> next_of(std::optional<privacy::ListCursor> const& next) {
  return next ? std::optional{to_string(*next)} : std::nullopt;
}

http::Headers secure_headers() {
  return {{"X-Content-Type-Options", "nosniff"},
          {"Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'"},
          {"Referrer-Policy", "no-referrer"},
          {"Cache-Control", "no-store"}};
}

http::Response secured(http::Response response) {
  for (auto const& [name, value] : secure_headers()) response.headers.set(name, value);
  return response;
}

}  // namespace omnibus::gateway
