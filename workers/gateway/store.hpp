/// All SQL of the gateway.
#pragma once

#include "concurrency/task.hpp"
#include "postgres/pool.hpp"
#include "rollups/report.hpp"
#include "uuid/uuid.hpp"
#include "workers/gateway/door/token_cache.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {

using Fingerprint = std::array<std::uint8_t, 32>;

/// Who wants to publish what under which key.
struct IdempotencyClaim {
  std::string domain;
  std::string key;
  Fingerprint request;
  Uuid event_id;
  Uuid conversation_id;
  std::string since;  ///< when it was granted, which tells this claim from an earlier or a later one
};

enum class ClaimOutcome : std::uint8_t {
  claimed,              ///< ours: publish, then mark_published or release
  published,            ///< done before
  in_progress,          ///< somebody else's, who has time left
  other_request,        ///< the key came with something else before
  conversation_closed,  ///< and nothing was claimed
};

/// What the gateway needs to know of a conversation.
struct ConversationSummary {
  Uuid id;
  std::string domain;
  std::string session_id;
  std::string status;

  bool closed() const { return status == "resolved"; }
};
BOOST_DESCRIBE_STRUCT(ConversationSummary, (), (id, domain, session_id, status))

struct TranscriptMessage {
  std::int64_t seq = 0;
  std::string role;
  std::string content;
  std::string created_at;
};
BOOST_DESCRIBE_STRUCT(TranscriptMessage, (), (seq, role, content, created_at))

/// A stretch of a conversation, as the API shows it.
struct Transcript {
  Uuid id;
  std::string domain;
  std::string session_id;
  std::string status;
  std::vector<TranscriptMessage> messages;
  std::optional<std::int64_t> next_after_seq;  ///< where the next page begins; absent on the last one
};
BOOST_DESCRIBE_STRUCT(Transcript, (), (id, domain, session_id, status, messages, next_after_seq))

/// Reads and writes as the role omnibus_gateway: row-level security shows each transaction the rows of one tenant.
/// Every function throws as TransactionPool::run does.
class Store {
 public:
  explicit Store(TransactionPool& pool) : pool_(pool) {}

  /// Who a token that is not revoked speaks for, its tenant being active.
  Task<std::optional<Principal>> principal(TokenHash token);
  /// Whether there is an active tenant of that domain.
  Task<bool> tenant_exists(std::string domain);

  Task<std::optional<ConversationSummary>> conversation(std::string domain, Uuid id);
  /// The messages after a sequence number, at most `limit`, in order.
  Task<std::optional<Transcript>> transcript(std::string domain, Uuid id, std::int64_t after_seq, std::int64_t limit);

  /// What the rollups tell: a tenant's own, all of them to an operator.
  Task<rollups::Report> telemetry_report(Principal principal, rollups::Query query);

  /// Tries to get the key for whoever asks; a claim that nobody ended within `lease` is up for the next one. Fills
  /// `claim.since` when it is granted. `claim` must outlive the coroutine.
  Task<ClaimOutcome> claim(IdempotencyClaim& claim, std::chrono::milliseconds lease);
  Task<> mark_published(IdempotencyClaim claim);
  /// Gives the claim back, to be taken over at once by a request for the same.
  Task<> release(IdempotencyClaim claim, std::chrono::milliseconds lease);

  /// A round trip. @throws when the database is not there.
  Task<> ping();

 private:
  TransactionPool& pool_;
};

}  // namespace omnibus::gateway
