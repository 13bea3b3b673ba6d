#include "http/form.hpp"

#include <algorithm>

#include <boost/url/encode.hpp>
#include <boost/url/pct_string_view.hpp>
#include <boost/url/rfc/unreserved_chars.hpp>

namespace omnibus::http {

namespace urls = boost::urls;

std::string percent_encode(std::string_view text) {
  return urls::encode(text, urls::unreserved_chars);
}

std::optional<std::string> percent_decode(std::string_view text, bool plus_is_space, bool allows_nul) {
  auto const encoded = urls::make_pct_string_view(text);
  if (!encoded || (!allows_nul && text.find("%00") != std::string_view::npos)) return std::nullopt;
  return encoded->decode(urls::encoding_opts{plus_is_space});
}

std::optional<Form> read_form(std::string_view text, bool allows_nul) {
  Form form;
  while (!text.empty()) {
    auto const field = text.substr(0, text.find('&'));
    text.remove_prefix(std::min(field.size() + 1, text.size()));
    auto const equals = std::min(field.find('='), field.size());
    auto name = percent_decode(field.substr(0, equals), true, allows_nul);
    auto value = percent_decode(field.substr(std::min(equals + 1, field.size())), true, allows_nul);
    if (!name || !value) return std::nullopt;
    form.emplace_back(std::move(*name), std::move(*value));
  }
  return form;
}

void append_form(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty() && out.back() != '?') out += '&';
  out.append(percent_encode(name)).append("=").append(percent_encode(value));
}

}  // namespace omnibus::http
