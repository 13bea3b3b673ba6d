#include "http/form.hpp"

#include <iterator>

#include <fmt/format.h>

namespace omnibus::http {

void append_form(std::string& out, std::string_view name, std::string_view value) {
  if (!out.empty() && out.back() != '?') out += '&';
  auto const append = [&](std::string_view text) {
    for (auto const c : text) {
      auto const plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                         c == '.' || c == '_' || c == '~';
      if (plain) {
        out += c;
      } else {
        fmt::format_to(std::back_inserter(out), "%{:02X}", static_cast<unsigned char>(c));
      }
    }
  };
  append(name);
  out += '=';
  append(value);
}

}  // namespace omnibus::http
