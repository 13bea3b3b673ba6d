#include "http/server_request.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

namespace omnibus::http {

namespace beast = boost::beast;

namespace {

std::string_view text(beast::string_view view) {
  return {view.data(), view.size()};
}

/// The fields that say who asks, for what, and where the body ends: a proxy could take the first of two, and we the
/// other.
constexpr std::array<std::string_view, 7> single_fields{
    "Host", "Authorization", "Content-Length", "Content-Type", "Transfer-Encoding", "Idempotency-Key", "Last-Event-ID"};

/// The first of them that the headers have twice, even with equal values.
std::optional<std::string_view> repeated_field(Headers const& headers) {
  std::array<bool, single_fields.size()> seen{};
  for (auto const& field : headers) {
    auto const* const found = std::find_if(single_fields.begin(), single_fields.end(), [&](std::string_view single) {
      return equals_ignoring_case(field.first, single);
    });
    if (found == single_fields.end()) continue;
    if (std::exchange(seen[static_cast<std::size_t>(found - single_fields.begin())], true)) return *found;
  }
  return std::nullopt;
}

}  // namespace

Request take_head(beast::http::request_header<> const& head) {
  Request request;
  request.method = text(head.method_string());
  request.target = text(head.target());
  for (auto const& field : head)
    request.headers.add(std::string(text(field.name_string())), std::string(text(field.value())));
  return request;
}

std::optional<Response> objection(unsigned version, Request& request) {
  auto const& headers = request.headers;
  auto const old_peer = version < 11;
  if (version != 10 && version != 11) return problem(505, {}, "HTTP/1.1 is spoken here");
  if (!old_peer && !headers.contains("host")) return problem(400, {}, "the Host header is missing", "Host");
  if (auto const field = repeated_field(headers))
    return problem(400, {}, fmt::format("the {} header is there twice; send it once", *field), *field);
  if (!parse_target(request)) return problem(400, {}, "the request target is malformed");
  auto const coding = headers.find("transfer-encoding");
  if (coding && old_peer)
    return problem(400, {}, "this transfer coding leaves the body's end in doubt", "Transfer-Encoding");
  if (coding && !equals_ignoring_case(*coding, "chunked"))
    return problem(501, {}, "only the chunked transfer coding is understood", "Transfer-Encoding");
  auto const content = headers.find("content-encoding");
  if (content && !equals_ignoring_case(*content, "identity"))
    return problem(415, {}, "send the body without a content coding", "Content-Encoding");
  auto const expect = headers.find("expect");
  if (expect && !equals_ignoring_case(*expect, "100-continue"))
    return problem(417, {}, "only 100-continue can be expected", "Expect");
  return std::nullopt;
}

std::optional<Response> refusal(boost::system::error_code const& failure, ServerSettings const& settings) {
  using beast::http::error;
  if (failure == error::header_limit || failure == error::buffer_overflow)
    return problem(431, {}, fmt::format("the headers exceed {} bytes", settings.max_header_bytes));
  if (failure == error::body_limit)
    return problem(413, {}, fmt::format("the body exceeds {} bytes", settings.max_body_bytes));
  if (failure == error::bad_version) return problem(505, {}, "HTTP/1.1 is spoken here");
  if (failure == error::end_of_stream || failure == error::partial_message) return std::nullopt;
  if (failure.category() == make_error_code(error::bad_method).category())
    return problem(400, {}, "the request is malformed: " + failure.message());
  return std::nullopt;
}

}  // namespace omnibus::http
