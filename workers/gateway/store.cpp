#include "workers/gateway/store.hpp"

#include <algorithm>
#include <utility>

#include <openssl/sha.h>
#include <pqxx/pqxx>

namespace omnibus::gateway {
namespace {

constexpr std::string_view created_at_text =
    R"(to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))";

template <class Bytes>
pqxx::bytes_view as_bytea(Bytes const& bytes) {
  return {reinterpret_cast<std::byte const*>(bytes.data()), bytes.size()};
}

Fingerprint hash_of(std::string_view text) {
  Fingerprint hash{};
  SHA256(reinterpret_cast<unsigned char const*>(text.data()), text.size(), hash.data());
  return hash;
}

/// Shows the transaction the rows of one tenant, until it ends.
void enter_tenant(pqxx::transaction_base& transaction, std::string_view domain) {
  transaction.exec("SELECT set_config('app.tenant', $1, true)", pqxx::params{domain});
}

std::optional<ConversationSummary> read_conversation(pqxx::transaction_base& transaction, std::string_view domain,
                                                     Uuid const& id) {
  auto const rows =
      transaction.exec("SELECT domain, session_id, status FROM conversations WHERE id = $1::uuid AND domain = $2",
                       pqxx::params{to_string(id), domain});
  if (rows.empty()) return std::nullopt;
  auto const [owner, session_id, status] = rows[0].as<std::string, std::string, std::string>();
  return ConversationSummary{id, owner, session_id, status};
}

ClaimOutcome try_claim(pqxx::transaction_base& transaction, IdempotencyClaim& claim, double lease_seconds) {
  auto const key_hash = hash_of(claim.key);
  // `created_at` is when the present claim was granted: there is no other use for it while the row is pending.
  auto const granted = transaction.exec(
      "INSERT INTO pipeline.idempotency_keys AS held (domain, key_hash, body_hash, event_id) VALUES ($1, $2, $3, "
      "$4::uuid) "
      "ON CONFLICT (domain, key_hash) DO UPDATE SET created_at = now() "
      "WHERE held.state = 'pending' AND held.body_hash = excluded.body_hash "
      "AND held.created_at <= now() - make_interval(secs => $5::float8) RETURNING created_at",
      pqxx::params{claim.domain, as_bytea(key_hash), as_bytea(claim.request), to_string(claim.event_id),
                   lease_seconds});
  if (!granted.empty()) {
    auto const conversation = read_conversation(transaction, claim.domain, claim.conversation_id);
    if (conversation && conversation->closed()) return ClaimOutcome::conversation_closed;
    claim.since = granted.one_field().as<std::string>();
    return ClaimOutcome::claimed;
  }
  auto const held =
      transaction
          .exec("SELECT state, body_hash = $3 FROM pipeline.idempotency_keys WHERE domain = $1 AND key_hash = $2",
                pqxx::params{claim.domain, as_bytea(key_hash), as_bytea(claim.request)})
          .one_row();
  auto const [state, same_request] = held.as<std::string, bool>();
  if (!same_request) return ClaimOutcome::other_request;
  return state == "published" ? ClaimOutcome::published : ClaimOutcome::in_progress;
}

}  // namespace

Task<std::optional<Principal>> Store::principal(TokenHash token) {
  auto work = [token](pqxx::connection& connection) -> std::optional<Principal> {
    pqxx::nontransaction query(connection);
    auto const rows = query.exec("SELECT domain, role FROM authenticate($1)", pqxx::params{as_bytea(token)});
    if (rows.empty()) return std::nullopt;
    auto const [domain, role] = rows[0].as<std::string, std::string>();
    return Principal{domain, role == "operator" ? Role::operator_role : Role::tenant};
  };
  return pool_.run(std::move(work));
}

Task<bool> Store::tenant_exists(std::string domain) {
  auto work = [domain = std::move(domain)](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    enter_tenant(transaction, domain);
    return !transaction.exec("SELECT FROM tenants WHERE domain = $1 AND status = 'active'", pqxx::params{domain})
                .empty();
  };
  return pool_.run(std::move(work));
}

Task<std::optional<ConversationSummary>> Store::conversation(std::string domain, Uuid id) {
  auto work = [domain = std::move(domain), id](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    enter_tenant(transaction, domain);
    return read_conversation(transaction, domain, id);
  };
  return pool_.run(std::move(work));
}

Task<std::optional<Transcript>> Store::transcript(std::string domain, Uuid id, std::int64_t after_seq,
                                                  std::int64_t limit) {
  auto work = [=, domain = std::move(domain)](pqxx::connection& connection) -> std::optional<Transcript> {
    pqxx::read_transaction transaction(connection);
    enter_tenant(transaction, domain);
    auto const conversation = read_conversation(transaction, domain, id);
    if (!conversation) return std::nullopt;
    Transcript transcript{id, conversation->domain, conversation->session_id, conversation->status, {}, {}};
    // One more than asked for tells whether there is another page.
    auto const rows =
        transaction.exec("SELECT seq, role, COALESCE(content, ''), " + std::string(created_at_text) +
                             " FROM messages WHERE conversation_id = $1::uuid AND seq > $2 ORDER BY seq LIMIT $3",
                         pqxx::params{to_string(id), after_seq, limit + 1});
    for (auto const& row : rows) {
      if (std::ssize(transcript.messages) == limit) {
        transcript.next_after_seq = transcript.messages.back().seq;
        break;
      }
      auto const [seq, role, content, created_at] = row.as<std::int64_t, std::string, std::string, std::string>();
      transcript.messages.push_back({seq, role, content, created_at});
    }
    return transcript;
  };
  return pool_.run(std::move(work));
}

Task<rollups::Report> Store::telemetry_report(Principal principal, rollups::Query query) {
  auto work = [principal = std::move(principal), query = std::move(query)](pqxx::connection& connection) {
    pqxx::read_transaction transaction(connection);
    if (principal.role == Role::operator_role)
      transaction.exec("SELECT set_config('app.role', 'operator', true)");
    else
      enter_tenant(transaction, principal.domain);
    return rollups::read_report(transaction, query);
  };
  return pool_.run(std::move(work));
}

Task<ClaimOutcome> Store::claim(IdempotencyClaim& claim, std::chrono::milliseconds lease) {
  auto work = [&claim, seconds = std::chrono::duration<double>(lease).count()](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter_tenant(transaction, claim.domain);
    auto const outcome = try_claim(transaction, claim, seconds);
    if (outcome == ClaimOutcome::claimed) transaction.commit();
    return outcome;
  };
  return pool_.run(std::move(work));
}

Task<> Store::mark_published(IdempotencyClaim claim) {
  auto work = [claim = std::move(claim)](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter_tenant(transaction, claim.domain);
    // Also when the claim had run out meanwhile: the event is on the topic, whoever put it there.
    transaction.exec("UPDATE pipeline.idempotency_keys SET state = 'published' WHERE domain = $1 AND key_hash = $2",
                     pqxx::params{claim.domain, as_bytea(hash_of(claim.key))});
    transaction.commit();
  };
  return pool_.run(std::move(work));
}

Task<> Store::release(IdempotencyClaim claim, std::chrono::milliseconds lease) {
  auto work = [claim = std::move(claim),
               seconds = std::chrono::duration<double>(lease).count()](pqxx::connection& connection) {
    pqxx::work transaction(connection);
    enter_tenant(transaction, claim.domain);
    transaction.exec(
        "UPDATE pipeline.idempotency_keys SET created_at = created_at - make_interval(secs => $3::float8) "
        "WHERE domain = $1 AND key_hash = $2 AND state = 'pending' AND created_at = $4::timestamptz",
        pqxx::params{claim.domain, as_bytea(hash_of(claim.key)), seconds, claim.since});
    transaction.commit();
  };
  return pool_.run(std::move(work));
}

Task<> Store::ping() {
  auto work = [](pqxx::connection& connection) { pqxx::nontransaction(connection).exec("SELECT 1"); };
  return pool_.run(std::move(work));
}

}  // namespace omnibus::gateway
