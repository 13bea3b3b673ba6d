/// HTTP messages, without any library's types: headers, requests, responses, problem responses.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::http {

/// Header fields in the order of arrival; names compare without regard to case.
class Headers {
 public:
  using Field = std::pair<std::string, std::string>;

  Headers() = default;
  Headers(std::initializer_list<Field> fields) : fields_(fields) {}

  /// The first field of that name. The view lives as long as the headers stay unchanged.
  std::optional<std::string_view> find(std::string_view name) const;
  bool contains(std::string_view name) const { return find(name).has_value(); }
  /// Appends a field, keeping others of the same name.
  void add(std::string name, std::string value);
  /// Replaces all fields of that name by one.
  void set(std::string_view name, std::string value);
  void erase(std::string_view name);

  auto begin() const { return fields_.begin(); }
  auto end() const { return fields_.end(); }
  std::size_t size() const { return fields_.size(); }
  bool empty() const { return fields_.empty(); }
  void clear() { fields_.clear(); }

 private:
  std::vector<Field> fields_;
};

/// A request as a handler sees it: complete, within the limits of the server, and decoded.
struct Request {
  std::string method;  ///< "GET", "POST", ...; a HEAD request that a GET route serves keeps "HEAD"
  std::string target;  ///< as sent, with the query
  std::string path;    ///< without the query, percent-decoded
  std::vector<std::pair<std::string, std::string>> query;       ///< decoded, in order
  std::vector<std::pair<std::string, std::string>> parameters;  ///< those of the route, decoded
  Headers headers;
  std::string body;
  std::string peer;  ///< address of the other side, without the port

  /// The first query value of that name.
  std::optional<std::string_view> query_value(std::string_view name) const;
  /// The path parameter `{name}` of the route that matched; empty when the route has none of that name.
  std::string_view parameter(std::string_view name) const;
  /// Media type of the body in lower case, without its parameters; empty when absent.
  std::string content_type() const;
};

struct Response {
  int status = 200;
  Headers headers;
  std::string body;
};

/// A response whose body is JSON text.
Response json_response(int status, std::string body);
/// A response whose body is plain text.
Response text_response(int status, std::string body, std::string content_type = "text/plain; charset=utf-8");
/// An RFC 9457 answer (`application/problem+json`): type, title, status, detail and, if a field is wrong, its name.
Response problem(int status, std::string_view title, std::string_view detail = {}, std::string_view field = {});

/// The standard reason phrase; "Unknown" for an unregistered status.
std::string_view reason_phrase(int status);
/// Equality of ASCII text without regard to case.
bool equals_ignoring_case(std::string_view left, std::string_view right);

/// Fills path and query of a request from its target; false when the target is malformed.
bool parse_target(Request& request);

}  // namespace omnibus::http
