/// Callers of the gateway, their roles, and what a route needs of them.
#pragma once

#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::gateway {

/// What a caller may do. Of people, each role includes those before it; a service is a machine of a tenant, which has
/// only what a route grants to services.
enum class Role : std::uint8_t { visitor, agent, operator_role, admin, service };

/// Its name in the database and in answers, such as `operator`.
std::string_view to_string(Role role);
/// The role of that name; nothing for an unknown one.
std::optional<Role> parse_role(std::string_view name);

/// Who a transaction acts as: row-level security shows it the rows of one tenant, or of all. Made by Principal::in.
struct Scope {
  std::string domain;  ///< of one tenant; empty: of all
  Role role = Role::visitor;
  Uuid principal{};
};

/// The caller.
struct Principal {
  std::string domain;  ///< the tenant it acts for; empty: the whole installation (operators and admins only)
  Role role = Role::visitor;
  Uuid id{};
  std::optional<Uuid> person{};  ///< the row of `users` that it speaks for, if there is one

  bool acts_for_all() const { return domain.empty() && (role == Role::operator_role || role == Role::admin); }
  bool may_act_for(std::string_view other) const { return acts_for_all() || (!other.empty() && other == domain); }
  /// This caller, acting within one tenant; with an empty domain in all of them.
  /// @throws std::logic_error when the caller may not act for it: check that before, to answer 404.
  Scope in(std::string tenant) const;
};

/// The callers that a route serves. Stated by each route as a constant.
struct Needs {
  Role least = Role::admin;
  bool service = false;

  constexpr bool met_by(Role role) const { return role == Role::service ? service : role >= least; }
};

/// People of this role or a higher one.
constexpr Needs at_least(Role least) {
  return {least, false};
}
/// Services of tenants, and people of this role or a higher one.
constexpr Needs service_or(Role least) {
  return {least, true};
}

/// @throws Refusal 403 that names the role needed.
void check_role(Principal const& principal, Needs needs);

}  // namespace omnibus::gateway
