#include "workers/gateway/store.hpp"

#include "hash/hash.hpp"
#include "postgres/rows.hpp"

#include <algorithm>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gateway {
namespace {

/// A key that is used already.
struct HeldKey {
  std::string state;
  bool same_request = false;
};
BOOST_DESCRIBE_STRUCT(HeldKey, (), (state, same_request))

/// The principal of a token.
struct TokenOwner {
  Uuid principal;
  std::optional<Uuid> person;
  std::optional<std::string> domain;
  std::string role;
};
BOOST_DESCRIBE_STRUCT(TokenOwner, (), (principal, person, domain, role))

/// One more message may follow on a page that has this many bytes of texts.
constexpr std::int64_t page_bytes = 1024 * 1024;

struct TranscriptRow : TranscriptMessage {
  std::int64_t found = 0;  ///< messages that the page could have
};
BOOST_DESCRIBE_STRUCT(TranscriptRow, (TranscriptMessage), (found))

template <class Bytes>
pqxx::bytes_view as_bytea(Bytes const& bytes) {
  return {reinterpret_cast<std::byte const*>(bytes.data()), bytes.size()};
}

std::optional<ConversationSummary> read_conversation(pqxx::transaction_base& transaction, std::string_view domain,
                                                     Uuid const& id) {
  return postgres::read_optional<ConversationSummary>(
      transaction, "SELECT id, domain, session_id, status FROM conversations WHERE id = $1::uuid AND domain = $2",
      pqxx::params{to_string(id), domain});
}

ChatStanding read_standing(pqxx::transaction_base& transaction, std::string_view domain, Uuid const& conversation_id) {
  return postgres::read_one<ChatStanding>(
      transaction,
      "SELECT EXISTS (SELECT FROM conversations WHERE id = $1::uuid AND domain = $2 AND status = 'resolved') AS closed,"
      " chat_is_allowed($2, $1::uuid) AS allowed",
      pqxx::params{to_string(conversation_id), domain});
}

ClaimOutcome try_claim(pqxx::transaction_base& transaction, IdempotencyClaim& claim, double lease_seconds) {
  auto const key_hash = sha256(claim.key);
  // `created_at` is when the present claim was granted: there is no other use for it while the row is pending.
  auto const granted = postgres::read_optional<std::string>(
      transaction,
      "INSERT INTO pipeline.idempotency_keys AS held (domain, key_hash, body_hash, event_id) VALUES ($1, $2, $3, "
      "$4::uuid) "
      "ON CONFLICT (domain, key_hash) DO UPDATE SET created_at = now() "
      "WHERE held.state = 'pending' AND held.body_hash = excluded.body_hash "
      "AND held.created_at <= now() - make_interval(secs => $5::float8) RETURNING created_at",
      pqxx::params{claim.scope.domain, as_bytea(key_hash), as_bytea(claim.request), to_string(claim.event_id),
                   lease_seconds});
  if (granted) {
    auto const standing = read_standing(transaction, claim.scope.domain, claim.conversation_id);
    if (!standing.allowed) return ClaimOutcome::consent_required;
    if (standing.closed) return ClaimOutcome::conversation_closed;
    claim.since = *granted;
    return ClaimOutcome::claimed;
  }
  auto const held =
      postgres::read_one<HeldKey>(transaction,
                                  "SELECT state, body_hash = $3 AS same_request FROM pipeline.idempotency_keys"
                                  " WHERE domain = $1 AND key_hash = $2",
                                  pqxx::params{claim.scope.domain, as_bytea(key_hash), as_bytea(claim.request)});
  if (!held.same_request) return ClaimOutcome::other_request;
  return held.state == "published" ? ClaimOutcome::published : ClaimOutcome::in_progress;
}

}  // namespace

void enter(pqxx::transaction_base& transaction, Scope const& scope) {
  transaction.exec(
      "SELECT set_config('app.tenant', $1, true), set_config('app.role', $2, true), "
      "set_config('app.principal', $3, true)",
      pqxx::params{scope.domain, to_string(scope.role), to_string(scope.principal)});
}

Task<std::optional<Principal>> Store::principal(TokenHash token) {
  auto work = [token](pqxx::connection& connection) -> std::optional<Principal> {
    pqxx::nontransaction query(connection);
    auto const owner = postgres::read_optional<TokenOwner>(
        query, "SELECT principal, person, domain, role FROM authenticate($1)", pqxx::params{as_bytea(token)});
    if (!owner) return std::nullopt;
    auto const role = parse_role(owner->role);
    if (!role) return std::nullopt;
    query.exec("SELECT note_token_use($1)", pqxx::params{as_bytea(token)});
    return Principal{owner->domain.value_or(""), *role, owner->principal, owner->person};
  };
  return pool_.run(std::move(work));
}

Task<bool> Store::tenant_exists(Scope scope) {
  auto work = [scope](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    enter(transaction, scope);
    return !transaction.exec("SELECT FROM tenants WHERE domain = $1 AND status = 'active'", pqxx::params{scope.domain})
                .empty();
  };
  return pool_.run(std::move(work), std::move(scope.domain));
}

Task<std::optional<ConversationSummary>> Store::conversation(Scope scope, Uuid id) {
  auto work = [scope, id](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    enter(transaction, scope);
    return read_conversation(transaction, scope.domain, id);
  };
  return pool_.run(std::move(work), std::move(scope.domain));
}

Task<ChatStanding> Store::chat_standing(Scope scope, Uuid conversation_id) {
  auto work = [scope, conversation_id](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    enter(transaction, scope);
    return read_standing(transaction, scope.domain, conversation_id);
  };
  return pool_.run(std::move(work), std::move(scope.domain));
}

Task<std::optional<Transcript>> Store::transcript(Scope scope, Uuid id, std::int64_t after_seq, std::int64_t limit) {
  auto work = [=](pqxx::connection& connection) -> std::optional<Transcript> {
    pqxx::read_transaction transaction(connection);
    enter(transaction, scope);
    auto const conversation = read_conversation(transaction, scope.domain, id);
    if (!conversation) return std::nullopt;
    Transcript transcript{id, conversation->domain, conversation->session_id, conversation->status, {}, {}};
    // One more than requested shows whether there is another page; so does one that is left out for its size.
    auto const rows = postgres::read<TranscriptRow>(transaction,
                                                    R"(SELECT seq, role, content, created_at, found FROM (
             SELECT seq, role, COALESCE(content, '') AS content,
                    to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"') AS created_at,
                    sum(COALESCE(octet_length(content), 0)) OVER (ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING
                      AND 1 PRECEDING) AS bytes_before,
                    count(*) OVER () AS found
             FROM (SELECT * FROM messages WHERE conversation_id = $1::uuid AND seq > $2 ORDER BY seq LIMIT $3) AS page
           ) AS sized WHERE COALESCE(bytes_before, 0) < $4 ORDER BY seq)",
                                                    pqxx::params{to_string(id), after_seq, limit + 1, page_bytes});
    for (auto const& row : rows)
      if (std::ssize(transcript.messages) < limit) transcript.messages.push_back(row);
    if (!rows.empty() && std::ssize(transcript.messages) < rows.front().found)
      transcript.next_after_seq = transcript.messages.back().seq;
    return transcript;
  };
  return pool_.run(std::move(work), std::move(scope.domain));
}

Task<rollups::Report> Store::telemetry_report(Scope scope, rollups::Query query) {
  auto work = [scope, query = std::move(query)](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    enter(transaction, scope);
    return rollups::read_report(transaction, query);
  };
  return pool_.run(std::move(work), std::move(scope.domain));
}

Task<ClaimOutcome> Store::claim(IdempotencyClaim& claim, std::chrono::milliseconds lease) {
  auto work = [&claim, seconds = std::chrono::duration<double>(lease).count()](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter(transaction, claim.scope);
    auto const outcome = try_claim(transaction, claim, seconds);
    if (outcome == ClaimOutcome::claimed) transaction.commit();
    return outcome;
  };
  return pool_.run(std::move(work), claim.scope.domain);
}

Task<> Store::mark_published(IdempotencyClaim claim) {
  auto work = [claim](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter(transaction, claim.scope);
    // Also when the claim had expired in between: the event is on the topic, published by any holder.
    transaction.exec("UPDATE pipeline.idempotency_keys SET state = 'published' WHERE domain = $1 AND key_hash = $2",
                     pqxx::params{claim.scope.domain, as_bytea(sha256(claim.key))});
    transaction.commit();
  };
  return pool_.run(std::move(work), std::move(claim.scope.domain));
}

Task<> Store::release(IdempotencyClaim claim, std::chrono::milliseconds lease) {
  auto work = [claim, seconds = std::chrono::duration<double>(lease).count()](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter(transaction, claim.scope);
    transaction.exec(
        "UPDATE pipeline.idempotency_keys SET created_at = created_at - make_interval(secs => $3::float8) "
        "WHERE domain = $1 AND key_hash = $2 AND state = 'pending' AND created_at = $4::timestamptz",
        pqxx::params{claim.scope.domain, as_bytea(sha256(claim.key)), seconds, claim.since});
    transaction.commit();
  };
  return pool_.run(std::move(work), std::move(claim.scope.domain));
}

Task<std::optional<HandledEvent>> Store::handled(std::string worker, Uuid event_key) {
  auto work = [worker = std::move(worker), event_key](pqxx::connection& connection) {
    pqxx::nontransaction query(connection);
    return postgres::read_optional<HandledEvent>(query, "SELECT error_class FROM pipeline.handled($1, $2::uuid)",
                                                 pqxx::params{worker, to_string(event_key)});
  };
  return pool_.run(std::move(work));
}

Task<> Store::log_access(Scope scope, AccessRecord record) {
  auto work = [scope, record = std::move(record)](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter(transaction, scope);
    transaction.exec(
        "INSERT INTO access_log (domain, principal_id, action, object, result, ip_hash) "
        "VALUES (NULLIF($1, ''), $2::uuid, $3, $4, $5, decode(NULLIF($6, ''), 'hex'))",
        pqxx::params{scope.domain, to_string(scope.principal), record.action, record.object, record.result,
                     record.ip_hash});
    transaction.commit();
  };
  return pool_.run(std::move(work), std::move(scope.domain));
}

Task<> Store::ping() {
  auto work = [](pqxx::connection& connection) { pqxx::nontransaction(connection).exec("SELECT 1"); };
  return pool_.run(std::move(work));
}

Task<> Store::unsubscribe_from_reports(std::string domain, Uuid user) {
  auto work = [domain = std::move(domain), user](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    transaction.exec("SELECT unsubscribe_from_reports($1, $2)", pqxx::params{domain, to_string(user)});
    transaction.commit();
  };
  return pool_.run(std::move(work));
}

}  // namespace omnibus::gateway
