#include "engine/dispatch/tenant.hpp"

#include "json/loose.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>

namespace omnibus::engine {
namespace {

constexpr std::size_t most_read = 4096;

std::string domain_in(std::string_view value) {
  std::string domain;
  std::string inner;
  auto structured = false;
  json::LooseReader reader{value};
  reader.object([&](std::string_view member) {
    if (member == "domain" && reader.string(domain)) {
      reader = json::LooseReader{std::string_view{}};  // the rest is not read
    } else if (member == "specversion") {
      structured = true;
    } else if (member == "data" && inner.empty() && reader.peek() == '{') {
      reader.object([&](std::string_view field) {
        if (field == "domain") reader.string(inner);
      });
    }
  });
  return domain.empty() && structured ? inner : domain;
}

}  // namespace

std::uint64_t tenant_of(std::string_view value) noexcept {
  try {
    auto const domain = domain_in(value.substr(0, most_read));
    return domain.empty() ? 0 : std::max<std::uint64_t>(1, std::hash<std::string>{}(domain));
  } catch (...) {  // out of memory
    return 0;
  }
}

}  // namespace omnibus::engine
