#include "http/server_request.hpp"

#include <algorithm>

#include <boost/beast/http/error.hpp>
#include <fmt/format.h>

namespace omnibus::http {

namespace beast = boost::beast;

namespace {

std::string_view text(beast::string_view view) {
  return {view.data(), view.size()};
}

auto count(Headers const& headers, std::string_view name) {
  return std::count_if(headers.begin(), headers.end(),
                       [&](Headers::Field const& field) { return equals_ignoring_case(field.first, name); });
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
  if (count(headers, "host") > 1) return problem(400, {}, "the Host header is there twice", "Host");
  if (!parse_target(request)) return problem(400, {}, "the request target is malformed");
  auto const coding = headers.find("transfer-encoding");
  if (coding && (old_peer || count(headers, "transfer-encoding") > 1))
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
