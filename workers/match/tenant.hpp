/// Whether a tenant's events are handled. Pure.
#pragma once

#include "handler/failure.hpp"

#include <optional>
#include <string>

namespace omnibus::match {

/// @param status of the tenant's row; nothing when there is none. @throws Failure (permanent) unless it is active.
inline void check_tenant(std::optional<std::string> const& status) {
  if (!status) throw Failure::permanent("domain is no tenant", "unknown_tenant");
  if (*status != "active") throw Failure::permanent("the tenant is not active", "inactive_tenant");
}

}  // namespace omnibus::match
