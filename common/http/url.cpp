#include "http/url.hpp"

#include "http/message.hpp"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

namespace omnibus::http {

std::string Url::authority() const {
  auto const name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  auto const usual = port == (secure ? 443 : 80);
  return usual ? name : fmt::format("{}:{}", name, port);
}

std::string Url::origin() const {
  return fmt::format("{}://{}:{}", secure ? "https" : "http", host, port);
}

std::optional<Url> parse_url(std::string_view text) {
  auto const printable = [](char c) { return c > ' ' && c < 0x7f; };
  if (!std::all_of(text.begin(), text.end(), printable)) return std::nullopt;
  Url url;
  auto const scheme = text.find("://");
  if (scheme == std::string_view::npos) return std::nullopt;
  url.secure = equals_ignoring_case(text.substr(0, scheme), "https");
  if (!url.secure && !equals_ignoring_case(text.substr(0, scheme), "http")) return std::nullopt;
  url.port = url.secure ? 443 : 80;
  text.remove_prefix(scheme + 3);
  auto const path = text.find_first_of("/?#");
  auto authority = text.substr(0, path);
  auto target = path == std::string_view::npos ? std::string_view{} : text.substr(path);
  target = target.substr(0, target.find('#'));
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);
  if (authority.find('@') != std::string_view::npos) return std::nullopt;
  auto rest = std::string_view{};
  if (authority.starts_with('[')) {
    auto const end = authority.find(']');
    if (end == std::string_view::npos) return std::nullopt;
    url.host = authority.substr(1, end - 1);
    rest = authority.substr(end + 1);
  } else {
    auto const colon = authority.find(':');
    url.host = authority.substr(0, colon);
    rest = colon == std::string_view::npos ? std::string_view{} : authority.substr(colon);
  }
  if (url.host.empty()) return std::nullopt;
  if (rest.empty()) return url;
  if (rest.front() != ':') return std::nullopt;
  rest.remove_prefix(1);
  auto const [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), url.port);
  if (error != std::errc() || end != rest.data() + rest.size() || url.port == 0) return std::nullopt;
  return url;
}

}  // namespace omnibus::http
