/// Addresses that end a person's e-mail with one POST, without a login.
#pragma once

#include "uuid/uuid.hpp"

#include <string>
#include <string_view>

namespace omnibus::messaging {

/// The path of the route that ends a person's reports by e-mail.
inline constexpr std::string_view unsubscribe_path = "/v1/reports/unsubscribe";

/// The path with its query, signed: only who got the address can use it. It does not expire.
std::string unsubscribe_address(std::string_view secret, std::string_view domain, Uuid const& user);

/// Whether the signature of an address is right. The time taken reveals nothing of it.
bool is_unsubscribe_signature(std::string_view secret, std::string_view domain, Uuid const& user,
                              std::string_view signature);

}  // namespace omnibus::messaging
