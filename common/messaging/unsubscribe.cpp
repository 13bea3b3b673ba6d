#include "messaging/unsubscribe.hpp"

#include "hash/hash.hpp"

#include <fmt/format.h>

namespace omnibus::messaging {
namespace {

std::string unsubscribe_signature(std::string_view secret, std::string_view domain, Uuid const& user) {
  return to_hex(hmac_sha256(secret, fmt::format("unsubscribe from reports\n{}\n{}", domain, to_string(user))));
}

}  // namespace

std::string unsubscribe_address(std::string_view secret, std::string_view domain, Uuid const& user) {
  return fmt::format("{}?domain={}&user={}&signature={}", unsubscribe_path, domain, to_string(user),
                     unsubscribe_signature(secret, domain, user));
}

bool is_unsubscribe_signature(std::string_view secret, std::string_view domain, Uuid const& user,
                              std::string_view signature) {
  return !secret.empty() && same_secret(unsubscribe_signature(secret, domain, user), signature);
}

}  // namespace omnibus::messaging
