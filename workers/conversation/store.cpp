#include "workers/conversation/store.hpp"

#include "assistant/recorded_answer.hpp"
#include "json/decode.hpp"
#include "postgres/column.hpp"
#include "postgres/prepared.hpp"
#include "postgres/rows.hpp"

#include <stdexcept>
#include <utility>
#include <variant>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::conversation {
namespace {

// Of many turns: each row's subqueries read by a key, whatever the tables hold, so that one plan serves all. Long
// stories are cut: a prompt holds as much of a person as leaves room for the conversation.
constexpr postgres::Prepared open_conversations{"open_conversations", R"(
  SELECT (SELECT status FROM tenants WHERE domain = a.domain) AS tenant_status,
         (SELECT id FROM pipeline.forgotten WHERE id = a.conversation_id) IS NOT NULL AS erased,
         c.status, c.match_id, c.total_tokens AS tokens, (c.spent_usd * 1000000000)::bigint AS cost_nano_usd,
         (1000 * extract(epoch FROM clock_timestamp() - c.started_at))::bigint AS age_ms,
         (SELECT coalesce(max(turn_number), 0) FROM omniscient_turns WHERE conversation_id = c.id) AS turns,
         own.id AS speaker_id, own.handle AS own_handle, other.handle AS other_handle,
         m.status = 'active' AND omniscient_may_meet(own.id, other.id) AS may_go_on,
         (SELECT json_build_object('narrative', left(s.narrative, 1200), 'current_focus', left(s.current_focus, 300),
            'seeking_connections', ARRAY(SELECT left(each, 80) FROM unnest(s.seeking_connections[1:8]) AS each),
            'offering_expertise', ARRAY(SELECT left(each, 80) FROM unnest(s.offering_expertise[1:8]) AS each))
          WHERE s.user_id IS NOT NULL)::text AS story,
         (SELECT json_build_object('insights', coalesce(json_agg(json_build_object(
            'id', i.id, 'type', i.insight_type, 'title', left(i.title, 120), 'description', left(i.description, 400),
            'relevance', (100 * coalesce(j.relevance_score, 1))::int, 'score', (100 * coalesce(i.score, 0))::int,
            'advanced', i.id = ANY (ARRAY(SELECT unnest(advanced_insights) FROM omniscient_turns
                                          WHERE conversation_id = c.id)))), '[]'))
          FROM omniscient_match_insights j JOIN omniscient_insights i ON i.id = j.insight_id
          WHERE j.match_id = c.match_id AND i.insight_type <> 'risk')::text AS insights,
         (SELECT json_build_object('turns', coalesce(json_agg(json_build_object(
            'speaker_role', t.speaker_role, 'message', t.message) ORDER BY t.turn_number), '[]'))
          FROM (SELECT turn_number, speaker_role, message,
                       sum(octet_length(message)) OVER (ORDER BY turn_number DESC) AS bytes
                FROM omniscient_turns WHERE conversation_id = c.id AND turn_number < a.turn_number) AS t
          WHERE t.bytes <= 4 * a.history_tokens OR t.turn_number = a.turn_number - 1)::text AS history,
         (SELECT response::text FROM pipeline.llm_responses WHERE request_key = a.request_key) AS answer
  FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::bigint[], $5::uuid[]) WITH ORDINALITY
    AS a (domain, conversation_id, turn_number, history_tokens, request_key, ordinal)
  LEFT JOIN LATERAL (
    SELECT * FROM omniscient_conversations WHERE id = a.conversation_id AND domain = a.domain LIMIT 1) AS c ON true
  LEFT JOIN LATERAL (SELECT * FROM omniscient_matches WHERE id = c.match_id LIMIT 1) AS m ON true
  LEFT JOIN LATERAL (
    SELECT id, handle FROM users
    WHERE id = CASE WHEN a.turn_number % 2 = 1 THEN m.user_a_id ELSE m.user_b_id END LIMIT 1) AS own ON true
  LEFT JOIN LATERAL (
    SELECT id, handle FROM users
    WHERE id = CASE WHEN a.turn_number % 2 = 1 THEN m.user_b_id ELSE m.user_a_id END LIMIT 1) AS other ON true
  LEFT JOIN LATERAL (SELECT * FROM personal_stories WHERE user_id = own.id LIMIT 1) AS s ON true
  ORDER BY a.ordinal)"};

/// Its row. Without a conversation its columns are NULL.
struct OpenConversationRow {
  std::optional<std::string> tenant_status;
  bool erased = false;
  std::optional<std::string> status;
  std::optional<Uuid> match_id;
  std::optional<std::int64_t> tokens, cost_nano_usd, age_ms;
  std::int64_t turns = 0;
  std::optional<Uuid> speaker_id;
  std::optional<std::string> own_handle, other_handle;
  std::optional<bool> may_go_on;
  std::optional<std::string> story;
  std::string insights, history;
  std::optional<std::string> answer;
};
BOOST_DESCRIBE_STRUCT(OpenConversationRow, (),
                      (tenant_status, erased, status, match_id, tokens, cost_nano_usd, age_ms, turns, speaker_id,
                       own_handle, other_handle, may_go_on, story, insights, history, answer))

/// A turn that is to be opened.
struct AgentTurnKey {
  std::string domain;
  Uuid conversation_id{};
  std::int64_t turn_number = 0;
  std::int64_t history_tokens = 0;
  Uuid request_key{};
};

std::vector<OpenConversationRow> read_agent_turns(pqxx::connection& connection,
                                                  std::vector<AgentTurnKey> const& turns) {
  using postgres::column;
  pqxx::nontransaction query{connection};
  return postgres::read<OpenConversationRow>(
      postgres::run_prepared(query, open_conversations,
                             {column(turns, [](AgentTurnKey const& turn) { return turn.domain; }),
                              column(turns, [](AgentTurnKey const& turn) { return to_string(turn.conversation_id); }),
                              column(turns, [](AgentTurnKey const& turn) { return turn.turn_number; }),
                              column(turns, [](AgentTurnKey const& turn) { return turn.history_tokens; }),
                              column(turns, [](AgentTurnKey const& turn) { return to_string(turn.request_key); })}));
}

struct InsightList {
  std::vector<GuidingInsight> insights;
};
BOOST_DESCRIBE_STRUCT(InsightList, (), (insights))

struct TurnList {
  std::vector<PastTurn> turns;
};
BOOST_DESCRIBE_STRUCT(TurnList, (), (turns))

/// What our own query wrote. @throws std::logic_error when that is not what was meant.
template <class T>
T written(std::string const& text) {
  auto decoded = json::decode<T>(text);
  if (!decoded) throw std::logic_error("a column of a conversation: " + decoded.error().message());
  return *std::move(decoded);
}

AgentTurnKey key_of(AgentTurnRequested const& event, Uuid const& event_key, std::int32_t history_tokens) {
  return {event.domain, event.conversation_id, event.turn_number, history_tokens,
          assistant::request_key(event_key, turn_step)};
}

/// @throws Failure (permanent) for an unknown tenant.
OpenConversation opened(OpenConversationRow row, AgentTurnRequested const& event) {
  if (!row.tenant_status) throw Failure::permanent("domain is no tenant", "unknown_tenant");
  OpenConversation open;
  open.tenant_active = row.tenant_status == "active";
  open.match_id = event.match_id;
  if (!row.status) {
    open.state = row.erased ? OpenConversation::State::erased : OpenConversation::State::unknown;
    return open;
  }
  if (row.match_id != event.match_id) return open;
  open.state = row.status == "active" ? OpenConversation::State::running : OpenConversation::State::ended;
  open.may_go_on = row.may_go_on.value_or(false);
  open.turns = row.turns;
  open.age = std::chrono::milliseconds{row.age_ms.value_or(0)};
  open.totals = {row.tokens.value_or(0), row.cost_nano_usd.value_or(0)};
  open.speaker_id = row.speaker_id.value_or(Uuid{});
  open.own_handle = std::move(row.own_handle).value_or("");
  open.other_handle = std::move(row.other_handle).value_or("");
  if (row.story) open.story = written<Story>(*row.story);
  open.insights = written<InsightList>(row.insights).insights;
  open.history = written<TurnList>(row.history).turns;
  open.answer.emplace();
  if (row.answer) {
    if (auto recorded = json::decode<assistant::RecordedAnswer>(*row.answer))
      open.answer->recorded = *std::move(recorded);
  }
  return open;
}

/// Why a conversation cannot begin.
struct BeginningRow {
  std::optional<std::string> tenant_status;
  bool known = false;
  bool erased = false;
};
BOOST_DESCRIBE_STRUCT(BeginningRow, (), (tenant_status, known, erased))

// A match that is active and has no conversation that runs or was held. Its earlier ones may have failed.
constexpr auto open_match = R"(
  SELECT m.id, m.domain FROM omniscient_matches m JOIN tenants t ON t.domain = m.domain
  WHERE m.id = $2 AND m.domain = $3 AND m.status = 'active'
    AND NOT EXISTS (SELECT FROM omniscient_conversations c WHERE c.match_id = m.id AND c.status <> 'failed'))";

pqxx::params params_of(AgentConversationRequested const& event) {
  return {to_string(event.conversation_id), to_string(event.match_id), event.domain};
}

/// Why a conversation cannot begin, whatever its match's state; nothing if it might.
std::optional<Beginning> find_obstacle(pqxx::transaction_base& transaction, AgentConversationRequested const& event) {
  auto const row = postgres::read_one<BeginningRow>(transaction, R"(
      SELECT (SELECT status FROM tenants WHERE domain = $3) AS tenant_status,
             EXISTS (SELECT FROM omniscient_matches WHERE id = $2 AND domain = $3) AS known,
             EXISTS (SELECT FROM pipeline.forgotten WHERE id IN ($1, $2)) AS erased)",
                                                    params_of(event));
  if (!row.tenant_status) return Beginning::unknown_tenant;
  if (row.erased) return Beginning::erased;
  if (!row.known) return Beginning::unknown_match;
  if (row.tenant_status != "active") return Beginning::inactive_tenant;
  return std::nullopt;
}

std::string ids(std::vector<GivenInsight> const& insights, Extent least) {
  std::string text = "{";
  for (auto const& each : insights)
    if (each.extent >= least) text += (text.size() > 1 ? "," : "") + to_string(each.id);
  return text + "}";
}

std::optional<std::string> unless_empty(std::string const& text) {
  return text.empty() ? std::nullopt : std::optional{text};
}

std::vector<Beginning> begin_all(pqxx::transaction_base& transaction,
                                 std::vector<AgentConversationRequested> const& events) {
  using postgres::column;
  return postgres::read<Beginning>(
      transaction,
      "SELECT beginning FROM begin_agent_conversations($1::uuid[], $2::uuid[], $3::text[]) ORDER BY ordinal",
      pqxx::params{column(events, [](auto const& event) { return to_string(event.conversation_id); }),
                   column(events, [](auto const& event) { return to_string(event.match_id); }),
                   column(events, [](auto const& event) { return event.domain; })});
}

/// A turn with its event.
struct KeyedTurn {
  NewTurn turn;
  Uuid event_key{};
};

/// What is told of a stored turn.
struct StoredTurnRow {
  TurnStorage storage = TurnStorage::not_next;
  std::vector<std::string> messages;
  std::vector<bool> wants_to_end;
};
BOOST_DESCRIBE_STRUCT(StoredTurnRow, (), (storage, messages, wants_to_end))

std::vector<StoredTurn> store_all(pqxx::transaction_base& transaction, std::vector<KeyedTurn> const& turns) {
  auto const of_each = [&](auto get) {
    return postgres::column(turns, [&](KeyedTurn const& each) { return get(each.turn); });
  };
  auto rows = postgres::read<StoredTurnRow>(
      transaction,
      "SELECT storage, messages, wants_to_end FROM store_agent_turns($1::uuid[], $2::int[], $3::uuid[], $4::uuid[],"
      " $5::uuid[], $6::text[], $7::text[], $8::boolean[], $9::text[], $10::text[], $11::numeric[], $12::int[],"
      " $13::int[], $14::int[], $15::numeric[], $16::text[]) ORDER BY ordinal",
      pqxx::params{
          of_each([](NewTurn const& turn) { return to_string(turn.conversation_id); }),
          of_each([](NewTurn const& turn) { return turn.turn_number; }),
          postgres::column(turns, [](KeyedTurn const& each) { return to_string(each.event_key); }),
          postgres::column(turns, [](KeyedTurn const& each) { return to_string(name_uuid(each.event_key, "turn")); }),
          of_each([](NewTurn const& turn) { return to_string(turn.speaker_id); }),
          of_each([](NewTurn const& turn) { return turn.speaker_role; }),
          of_each([](NewTurn const& turn) { return unless_empty(turn.message); }),
          of_each([](NewTurn const& turn) { return turn.wants_to_end; }),
          of_each([](NewTurn const& turn) { return ids(turn.insights, Extent::touched); }),
          of_each([](NewTurn const& turn) { return ids(turn.insights, Extent::advanced); }),
          of_each([](NewTurn const& turn) { return alignment(turn.insights); }),
          of_each([](NewTurn const& turn) { return turn.spent.prompt_tokens; }),
          of_each([](NewTurn const& turn) { return turn.spent.completion_tokens; }),
          of_each([](NewTurn const& turn) { return turn.spent.duration_ms; }),
          of_each([](NewTurn const& turn) { return turn.spent.cost_usd(); }),
          of_each([](NewTurn const& turn) { return unless_empty(turn.model); })});
  std::vector<StoredTurn> stored;
  stored.reserve(rows.size());
  for (auto& row : rows) {
    auto& each = stored.emplace_back(StoredTurn{row.storage, {}});
    for (std::size_t i = 0; i < row.messages.size(); ++i)
      each.earlier.push_back({std::move(row.messages[i]), row.wants_to_end.at(i)});
  }
  return stored;
}

/// A conversation that ends.
struct EndedConversation {
  Uuid id{};
  ConversationEnd end;
};

std::vector<std::monostate> end_all(pqxx::transaction_base& transaction, std::vector<EndedConversation> const& ended) {
  using postgres::column;
  transaction.exec(
      R"(
      UPDATE omniscient_conversations c
      SET status = e.status, stop_reason = e.reason, error = e.error, completed_at = clock_timestamp()
      FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[]) AS e (id, status, reason, error) WHERE c.id = e.id)",
      pqxx::params{column(ended, [](EndedConversation const& each) { return to_string(each.id); }),
                   column(ended,
                          [](EndedConversation const& each) {
                            return std::string{is_failure(each.end.reason) ? "failed" : "completed"};
                          }),
                   column(ended, [](EndedConversation const& each) { return std::string{to_string(each.end.reason)}; }),
                   column(ended, [](EndedConversation const& each) { return unless_empty(each.end.error); })});
  return std::vector<std::monostate>(ended.size());
}

}  // namespace

Task<OpenConversation> PostgresAgentConversations::open(Context& context, AgentTurnRequested const& event,
                                                        std::int32_t history_tokens) {
  auto reading = context.read_together<read_agent_turns>(key_of(event, context.event_key(), history_tokens));
  auto row = co_await std::move(reading);
  co_return opened(std::move(row), event);
}

OpenConversation PostgresAgentConversations::read(pqxx::connection& connection, AgentTurnRequested const& event,
                                                  Uuid const& event_key, std::int32_t history_tokens) {
  return opened(std::move(read_agent_turns(connection, {key_of(event, event_key, history_tokens)}).at(0)), event);
}

void PostgresAgentConversations::begin(UnitOfWork& unit, AgentConversationRequested const& event,
                                       std::function<void(Beginning)> then) {
  unit.write_together<begin_all>(event, std::move(then));
}

Beginning PostgresAgentConversations::begin_again(UnitOfWork& unit, AgentConversationRequested const& event,
                                                  Uuid const& event_key) {
  auto& transaction = unit.transaction();
  auto const obstacle = find_obstacle(transaction, event);
  if (obstacle && obstacle != Beginning::inactive_tenant) return *obstacle;
  auto params = params_of(event);
  params.append(to_string(event_key));
  // The state of the match is no longer the one it had: the processing log says whether the conversation began.
  auto const begun = transaction.exec(R"(
      WITH log AS (SELECT completed_at FROM omniscient_processing_logs
                   WHERE event_id = $4 AND target_id = $1 AND status = 'completed'),
      made AS (INSERT INTO omniscient_conversations (id, match_id, domain, status, started_at)
               SELECT $1, $2, $3, 'active', completed_at FROM log ON CONFLICT DO NOTHING)
      SELECT FROM log)",
                                      params);
  return begun.empty() ? Beginning::not_open : Beginning::begun;
}

bool PostgresAgentConversations::fail_to_begin(UnitOfWork& unit, AgentConversationRequested const& event,
                                               ConversationEnd const& end) {
  auto const made = unit.transaction().exec(std::string{R"(
      INSERT INTO omniscient_conversations (id, match_id, domain, status, stop_reason, error, completed_at)
      SELECT $1, open.id, open.domain, 'failed', $4, $5, clock_timestamp() FROM ()"} +
                                                open_match + R"() AS open
      ON CONFLICT (id) DO NOTHING)",
                                            pqxx::params{to_string(event.conversation_id), to_string(event.match_id),
                                                         event.domain, to_string(end.reason), unless_empty(end.error)});
  return made.affected_rows() == 1;
}

void PostgresAgentConversations::store_turn(UnitOfWork& unit, Uuid const& event_key, NewTurn turn,
                                            std::function<void(StoredTurn)> then) {
  unit.write_together<store_all>(KeyedTurn{std::move(turn), event_key}, std::move(then));
}

void PostgresAgentConversations::end(UnitOfWork& unit, Uuid const& conversation_id, ConversationEnd end) {
  unit.write_together<end_all>(EndedConversation{conversation_id, std::move(end)}, [](std::monostate) {});
}

std::int64_t count_active(pqxx::connection& connection) {
  return pqxx::nontransaction{connection}.query_value<std::int64_t>(
      "SELECT count(*) FROM omniscient_conversations WHERE status = 'active'");
}

Task<> PostgresAgentConversations::log_start(Context& context, processing::LoggedWork work) {
  return processing::start(context, std::move(work));
}

void PostgresAgentConversations::log_end(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                                         assistant::Spent const& spent) {
  processing::complete(unit, context, work, {spent.prompt_tokens + spent.completion_tokens, spent.cost_usd()});
}

void PostgresAgentConversations::log_failure(UnitOfWork& unit, Context& context, processing::LoggedWork const& work,
                                             Failure const& failure) {
  processing::fail(unit, context, work, failure);
}

}  // namespace omnibus::conversation
