#include "http/response_head.hpp"

#include <algorithm>
#include <iterator>
#include <string_view>

#include <fmt/format.h>

namespace omnibus::http {

bool has_body(int status) {
  return status >= 200 && status != 204 && status != 304;
}

bool is_safe(Headers const& headers) {
  constexpr std::string_view forbidden("\r\n\0", 3);
  for (auto const& [name, value] : headers) {
    if (name.empty() || name.find_first_of(forbidden) != std::string::npos) return false;
    if (value.find_first_of(forbidden) != std::string::npos) return false;
  }
  return true;
}

void append_head(std::string& out, int status, Headers const& headers) {
  fmt::format_to(std::back_inserter(out), "HTTP/1.1 {} {}\r\n", status, reason_phrase(status));
  for (auto const& [name, value] : headers) {
    if (equals_ignoring_case(name, "content-length") || equals_ignoring_case(name, "connection") ||
        equals_ignoring_case(name, "transfer-encoding")) {
      continue;
    }
    out.append(name).append(": ").append(value).append("\r\n");
  }
}

}  // namespace omnibus::http
