#include "http/url.hpp"

#include <boost/url/parse.hpp>
#include <fmt/format.h>

namespace omnibus::http {

namespace urls = boost::urls;

std::string Url::authority() const {
  auto const name = host.find(':') == std::string::npos ? host : "[" + host + "]";
  auto const usual = port == (secure ? 443 : 80);
  return usual ? name : fmt::format("{}:{}", name, port);
}

std::string Url::origin() const {
  return fmt::format("{}://{}:{}", secure ? "https" : "http", host, port);
}

std::optional<Url> parse_url(std::string_view text) {
  auto const parsed = urls::parse_uri(text);
  if (!parsed) return std::nullopt;
  auto const& uri = *parsed;
  auto const web = uri.scheme_id() == urls::scheme::http || uri.scheme_id() == urls::scheme::https;
  if (!web || !uri.has_authority() || uri.has_userinfo()) return std::nullopt;
  Url url;
  url.secure = uri.scheme_id() == urls::scheme::https;
  url.host = uri.encoded_host_address();  // escapes stay: decoded, they could end a header
  url.port = uri.has_port() ? uri.port_number() : static_cast<std::uint16_t>(url.secure ? 443 : 80);
  if (url.host.empty() || url.port == 0) return std::nullopt;
  if (!uri.encoded_path().empty()) url.target = uri.encoded_path();
  if (url.target.front() != '/') return std::nullopt;  // Boost takes the text after an IPv6 address for a path
  if (uri.has_query()) url.target.append("?").append(uri.encoded_query());
  return url;
}

}  // namespace omnibus::http
