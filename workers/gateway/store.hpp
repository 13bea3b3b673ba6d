/// All SQL of the gateway.
#pragma once

#include "concurrency/task.hpp"
#include "postgres/pool.hpp"
#include "rollups/report.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/access_log.hpp"
#include "workers/gateway/door/principal.hpp"
#include "workers/gateway/door/token_cache.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace pqxx {
class transaction_base;
}

namespace omnibus::gateway {

using Fingerprint = std::array<std::uint8_t, 32>;

/// The claim of a request to an Idempotency-Key.
struct IdempotencyClaim {
  Scope scope;  ///< of one tenant
  std::string key;
  Fingerprint request;
  Uuid event_id;
  Uuid conversation_id;
  std::string since;  ///< the time of the claim, which distinguishes it from an earlier or later one
};

enum class ClaimOutcome : std::uint8_t {
  claimed,              ///< granted: publish, then mark_published or release
  published,            ///< done before
  in_progress,          ///< claimed by another request whose lease has not expired
  other_request,        ///< the key was used before with another request
  conversation_closed,  ///< and nothing was claimed
  consent_required,     ///< and nothing was claimed
};

/// The gateway's view of a conversation.
struct ConversationSummary {
  Uuid id;
  std::string domain;
  std::string session_id;
  std::string status;

  bool closed() const { return status == "resolved"; }
};
BOOST_DESCRIBE_STRUCT(ConversationSummary, (), (id, domain, session_id, status))

/// Whether a visitor's message may be published.
struct ChatStanding {
  bool closed = false;   ///< the conversation is resolved
  bool allowed = false;  ///< the tenant asks for no consent to processing, or has it of the visitor
};
BOOST_DESCRIBE_STRUCT(ChatStanding, (), (closed, allowed))

struct TranscriptMessage {
  std::int64_t seq = 0;
  std::string role;
  std::string content;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(TranscriptMessage, (), (seq, role, content, created_at))

/// A page of a conversation, as the API returns it.
struct Transcript {
  Uuid id;
  std::string domain;
  std::string session_id;
  std::string status;
  std::vector<TranscriptMessage> messages;
  std::optional<std::int64_t> next_after_seq;  ///< the start of the next page; absent on the last one
};
BOOST_DESCRIBE_STRUCT(Transcript, (), (id, domain, session_id, status, messages, next_after_seq))

/// What became of an event that a worker has handled.
struct HandledEvent {
  std::optional<std::string> error_class;  ///< of the dead letter, when the event was parked

  bool parked() const { return error_class.has_value(); }
};
BOOST_DESCRIBE_STRUCT(HandledEvent, (), (error_class))

/// Shows a transaction the rows of its scope, until it ends. @throws what libpqxx throws
void enter(pqxx::transaction_base& transaction, Scope const& scope);

/// Reads and writes as the role omnibus_gateway: row-level security shows each transaction the rows of its scope.
/// Every function throws as TransactionPool::run does.
class Store {
 public:
  explicit Store(TransactionPool& pool) : pool_(pool) {}

  /// The principal of a valid token, if it is not disabled and its tenant is active. Notes the token's use.
  Task<std::optional<Principal>> principal(TokenHash token);
  /// Whether the scope's tenant is there and active.
  Task<bool> tenant_exists(Scope scope);

  Task<std::optional<ConversationSummary>> conversation(Scope scope, Uuid id);
  /// What a message of the conversation would meet; it may not exist yet.
  Task<ChatStanding> chat_standing(Scope scope, Uuid conversation_id);
  /// The messages after a sequence number, at most `limit`, in order.
  Task<std::optional<Transcript>> transcript(Scope scope, Uuid id, std::int64_t after_seq, std::int64_t limit);

  /// A report of the rollups of the scope's tenant, or of all.
  Task<rollups::Report> telemetry_report(Scope scope, rollups::Query query);

  /// Claims the key for a request. A claim that is not ended within `lease` can be taken over. Fills
  /// `claim.since` when it is granted. `claim` must outlive the coroutine.
  Task<ClaimOutcome> claim(IdempotencyClaim& claim, std::chrono::milliseconds lease);
  Task<> mark_published(IdempotencyClaim claim);
  /// Gives the claim back; an equal request can take it over at once.
  Task<> release(IdempotencyClaim claim, std::chrono::milliseconds lease);

  /// What became of an event; nothing until the worker has handled it. `event_key` is the envelope's.
  Task<std::optional<HandledEvent>> handled(std::string worker, Uuid event_key);

  Task<> log_access(Scope scope, AccessRecord record);

  /// A round trip. @throws when the database is not reachable.
  Task<> ping();

  /// Ends the e-mail reports of a tenant's person; nothing happens when there is none.
  Task<> unsubscribe_from_reports(std::string domain, Uuid user);

 private:
  TransactionPool& pool_;
};

}  // namespace omnibus::gateway
