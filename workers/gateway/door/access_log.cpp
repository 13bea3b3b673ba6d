#include "workers/gateway/door/access_log.hpp"

#include "hash/hash.hpp"
#include "observability/log.hpp"
#include "workers/gateway/store.hpp"

#include <algorithm>
#include <exception>
#include <span>
#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::size_t longest_object = 200;
constexpr std::size_t address_bytes = 16;

/// As the client sent it, without the query: printable ASCII, cut.
std::string describe(http::Request const& request) {
  auto text = request.method + ' ' + request.target.substr(0, request.target.find('?'));
  text.resize(std::min(text.size(), longest_object));
  std::replace_if(
      text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

}  // namespace

AccessRecord AccessLog::record(http::Request const& request, std::string_view action, std::string object,
                               std::string_view result) const {
  std::string address;
  if (!secret_.empty()) {
    auto const hash = hmac_sha256(secret_, "address\n" + request.peer);
    address = to_hex(std::span(hash).first(address_bytes));
  }
  return {std::string(action), std::move(object), std::string(result), std::move(address)};
}

Task<> AccessLog::note(Scope scope, http::Request const& request, std::string_view action, std::string object) {
  return store_.log_access(std::move(scope), record(request, action, std::move(object), "allowed"));
}

Task<> AccessLog::note_refusal(Scope scope, http::Request const& request, std::string_view action, std::string object) {
  return store_.log_access(std::move(scope), record(request, action, std::move(object), "refused"));
}

Task<> AccessLog::read_by_person(Scope scope, http::Request const& request, Uuid conversation_id) {
  if (scope.role == Role::service) co_return;
  auto logging = note(std::move(scope), request, "transcript.read", to_string(conversation_id));
  co_await std::move(logging);
}

Task<> AccessLog::refused(Principal const& principal, http::Request const& request) {
  try {
    auto logging =
        store_.log_access(principal.in(principal.domain), record(request, "role.check", describe(request), "refused"));
    co_await std::move(logging);
  } catch (std::exception const& error) {
    log::warn("a refusal could not be logged", {{"reason", error.what()}});
  }
}

}  // namespace omnibus::gateway
