#include "http/message.hpp"

#include "http/form.hpp"
#include "json/encode.hpp"

#include <algorithm>

#include <boost/beast/http/status.hpp>
#include <boost/describe/class.hpp>

namespace omnibus::http {
namespace {

struct ProblemDetails {
  std::string type = "about:blank";
  std::string title;
  std::int32_t status = 0;
  std::optional<std::string> detail;
  std::optional<std::string> field;
};
BOOST_DESCRIBE_STRUCT(ProblemDetails, (), (type, title, status, detail, field))

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

}  // namespace

bool equals_ignoring_case(std::string_view left, std::string_view right) {
  return left.size() == right.size() &&
         std::equal(left.begin(), left.end(), right.begin(), [](char a, char b) { return lower(a) == lower(b); });
}

std::optional<std::string_view> Headers::find(std::string_view name) const {
  for (auto const& [key, value] : fields_) {
    if (equals_ignoring_case(key, name)) return value;
  }
  return std::nullopt;
}

void Headers::add(std::string name, std::string value) {
  fields_.emplace_back(std::move(name), std::move(value));
}

void Headers::set(std::string_view name, std::string value) {
  erase(name);
  fields_.emplace_back(std::string(name), std::move(value));
}

void Headers::erase(std::string_view name) {
  std::erase_if(fields_, [&](Field const& field) { return equals_ignoring_case(field.first, name); });
}

std::optional<std::string_view> Request::query_value(std::string_view name) const {
  for (auto const& [key, value] : query) {
    if (key == name) return value;
  }
  return std::nullopt;
}

std::string_view Request::parameter(std::string_view name) const {
  for (auto const& [key, value] : parameters) {
    if (key == name) return value;
  }
  return {};
}

std::string Request::content_type() const {
  auto type = headers.find("content-type").value_or("");
  type = type.substr(0, type.find(';'));
  while (!type.empty() && (type.back() == ' ' || type.back() == '\t')) type.remove_suffix(1);
  std::string result(type);
  std::transform(result.begin(), result.end(), result.begin(), lower);
  return result;
}

Response json_response(int status, std::string body) {
  return Response{status, {{"Content-Type", "application/json"}}, std::move(body)};
}

Response text_response(int status, std::string body, std::string content_type) {
  return Response{status, {{"Content-Type", std::move(content_type)}}, std::move(body)};
}

Response problem(int status, std::string_view title, std::string_view detail, std::string_view field) {
  ProblemDetails details;
  details.title = title.empty() ? reason_phrase(status) : title;
  details.status = status;
  if (!detail.empty()) details.detail = detail;
  if (!field.empty()) details.field = field;
  return Response{status, {{"Content-Type", "application/problem+json"}}, json::encode(details)};
}

std::string_view reason_phrase(int status) {
  namespace http = boost::beast::http;
  switch (status) {  // the names that later RFCs gave them
    case 413:
      return "Content Too Large";
    case 422:
      return "Unprocessable Content";
    case 425:
      return "Too Early";
    default:
      break;
  }
  auto const known = http::int_to_status(static_cast<unsigned>(status));
  return known == http::status::unknown ? std::string_view{"Unknown"} : std::string_view{http::obsolete_reason(known)};
}

bool parse_target(Request& request) {
  std::string_view target = request.target;
  if (auto const scheme = target.find("://"); scheme < target.find_first_of("/?")) {  // the form sent to proxies
    auto const path = std::min(target.find_first_of("/?", scheme + 3), target.size());
    request.target = (path == target.size() || target[path] == '?' ? "/" : "") + std::string(target.substr(path));
    target = request.target;
  }
  if (target != "*" && (target.empty() || target.front() != '/')) return false;
  auto const mark = target.find('?');
  auto path = percent_decode(target.substr(0, mark));
  if (!path) return false;
  request.path = std::move(*path);
  auto query = read_form(mark == std::string_view::npos ? std::string_view{} : target.substr(mark + 1));
  if (!query) return false;
  std::erase_if(*query, [](auto const& field) { return field.first.empty() && field.second.empty(); });
  request.query = std::move(*query);
  return true;
}

}  // namespace omnibus::http
