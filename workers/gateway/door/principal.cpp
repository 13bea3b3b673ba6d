#include "workers/gateway/door/principal.hpp"

#include "workers/gateway/door/refusal.hpp"

#include <array>
#include <stdexcept>
#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::array<std::pair<Role, std::string_view>, 5> role_names{{{Role::visitor, "visitor"},
                                                                       {Role::agent, "agent"},
                                                                       {Role::operator_role, "operator"},
                                                                       {Role::admin, "admin"},
                                                                       {Role::service, "service"}}};

}  // namespace

std::string_view to_string(Role role) {
  for (auto const& [each, name] : role_names)
    if (each == role) return name;
  throw std::logic_error("a role without a name");
}

std::optional<Role> parse_role(std::string_view name) {
  for (auto const& [role, each] : role_names)
    if (each == name) return role;
  return std::nullopt;
}

Scope Principal::in(std::string tenant) const {
  if (!may_act_for(tenant)) throw std::logic_error("the caller does not act for that tenant");
  return {std::move(tenant), role, id};
}

void check_role(Principal const& principal, Needs needs) {
  if (needs.met_by(principal.role)) return;
  auto detail = "This needs the role " + std::string(to_string(needs.least));
  if (needs.service) detail += " or service";
  detail += "; the token has the role " + std::string(to_string(principal.role));
  throw Refusal(403, "The role does not allow this", std::move(detail));
}

}  // namespace omnibus::gateway
