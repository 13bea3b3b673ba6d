#include "workers/gateway/door/authentication.hpp"

#include "http/message.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::size_t remembered_tokens = 10'000;
constexpr std::size_t longest_token = 512;

bool is_token_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view("-._~+/=").find(c) != std::string_view::npos;
}

Refusal unauthorized(std::string detail) {
  return {401, "A bearer token is needed", std::move(detail), "Authorization"};
}

}  // namespace

std::optional<std::string_view> bearer_token(std::string_view authorization) {
  constexpr std::string_view scheme = "Bearer ";
  if (authorization.size() <= scheme.size()) return std::nullopt;
  if (!http::equals_ignoring_case(authorization.substr(0, scheme.size()), scheme)) return std::nullopt;
  auto token = authorization.substr(scheme.size());
  while (!token.empty() && token.front() == ' ') token.remove_prefix(1);
  if (token.empty() || token.size() > longest_token) return std::nullopt;
  if (!std::all_of(token.begin(), token.end(), is_token_character)) return std::nullopt;
  return token;
}

Authentication::Authentication(Store& store, std::chrono::milliseconds time_to_live)
    : store_(store), cache_(remembered_tokens, time_to_live) {}

Task<Principal> Authentication::principal(std::optional<std::string_view> authorization) {
  if (!authorization) throw unauthorized("Send Authorization: Bearer <token>");
  auto const token = bearer_token(*authorization);
  if (!token) throw unauthorized("The header must have the form Bearer <token>");
  auto const hash = hash_token(*token);
  auto known = cache_.find(hash, TokenCache::Clock::now());
  if (!known) {
    auto lookup = store_.principal(hash);
    known = co_await std::move(lookup);
    cache_.put(hash, *known, TokenCache::Clock::now());
  }
  if (!*known) throw unauthorized("The token is unknown, revoked or expired");
  co_return **known;
}

}  // namespace omnibus::gateway
