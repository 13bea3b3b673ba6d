/// The audit of access: refusals for a role, and what people read.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"
#include "workers/gateway/door/principal.hpp"

#include <string>
#include <string_view>

namespace omnibus::gateway {

class Store;

/// A row of `access_log`: keys and ids, no texts.
struct AccessRecord {
  std::string action;   ///< such as `transcript.read`
  std::string object;   ///< its id, or the request that was refused
  std::string result;   ///< `allowed` or `refused`
  std::string ip_hash;  ///< 16 bytes in hex; empty without a secret
};

/// Writes to `access_log`, each row in its own transaction. Use it on the event loop only.
class AccessLog {
 public:
  /// @param secret the key of the addresses' hashes; with an empty one, no addresses are stored
  AccessLog(Store& store, std::string secret) : store_(store), secret_(std::move(secret)) {}

  /// Logs what a caller did within a tenant. @throws what the store throws: then do not answer as if it were logged.
  Task<> note(Scope scope, http::Request const& request, std::string_view action, std::string object);
  /// Logs that something within the tenant is refused for another reason than the role.
  Task<> note_refusal(Scope scope, http::Request const& request, std::string_view action, std::string object);
  /// Logs that a person reads a conversation; reading is the work of a service, so nothing is logged for one.
  Task<> read_by_person(Scope scope, http::Request const& request, Uuid conversation_id);
  /// Logs a request that the caller's role does not allow: its method and path. Never throws for the database's sake;
  /// a warning tells that the row is missing.
  Task<> refused(Principal const& principal, http::Request const& request);

 private:
  AccessRecord record(http::Request const& request, std::string_view action, std::string object,
                      std::string_view result) const;

  Store& store_;
  std::string secret_;
};

}  // namespace omnibus::gateway
