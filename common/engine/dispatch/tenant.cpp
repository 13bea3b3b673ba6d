#include "engine/dispatch/tenant.hpp"

#include "json/loose.hpp"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <string>

namespace omnibus::engine {
namespace {

constexpr std::size_t most_read = 4096;

struct OwnerFields {
  std::string domain;
  std::string_view route;
};

/// Reads a member's value if it is one of the fields. @return whether one is still to be found
bool read_field(json::LooseReader& reader, std::string_view member, std::string_view route_member,
                OwnerFields& fields) {
  if (member == "domain" && fields.domain.empty())
    reader.string(fields.domain);
  else if (!route_member.empty() && member == route_member)
    fields.route = reader.raw();
  return fields.domain.empty() || (!route_member.empty() && fields.route.empty());
}

OwnerFields read_fields(std::string_view value, std::string_view route_member) {
  OwnerFields own;
  OwnerFields inner;
  auto structured = false;
  json::LooseReader reader{value};
  reader.object([&](std::string_view member) {
    if (member == "specversion") {
      structured = true;
    } else if (member == "data" && inner.domain.empty() && reader.peek() == '{') {
      reader.object([&](std::string_view field) { read_field(reader, field, route_member, inner); });
    } else if (!read_field(reader, member, route_member, own)) {
      reader = json::LooseReader{std::string_view{}};  // the rest is not read
    }
  });
  return own.domain.empty() && structured ? inner : own;
}

}  // namespace

Owner owner_of(std::string_view value, std::string_view route_member) noexcept {
  try {
    auto const fields = read_fields(value.substr(0, most_read), route_member);
    Owner owner;
    if (!fields.domain.empty()) owner.tenant = std::max<std::uint64_t>(1, std::hash<std::string>{}(fields.domain));
    if (!fields.route.empty())
      owner.route = std::max<std::uint32_t>(1, static_cast<std::uint32_t>(std::hash<std::string_view>{}(fields.route)));
    return owner;
  } catch (...) {  // out of memory
    return {};
  }
}

}  // namespace omnibus::engine
