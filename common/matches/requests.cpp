#include "matches/requests.hpp"

#include "events/outcome.hpp"
#include "events/report.hpp"
#include "json/encode.hpp"
#include "postgres/rows.hpp"
#include "text/rules.hpp"
#include "time/time.hpp"

#include <algorithm>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::matches {
namespace {

/// What decides whether a person may be matched.
struct Candidacy {
  Uuid id;
  std::string domain;
  bool eligible = false;
};
BOOST_DESCRIBE_STRUCT(Candidacy, (), (id, domain, eligible))

/// A match, as far as a request needs it.
struct RequestedMatch {
  std::string domain;
  Uuid user_a_id, user_b_id;
  std::string status;
};
BOOST_DESCRIBE_STRUCT(RequestedMatch, (), (domain, user_a_id, user_b_id, status))

/// A conversation or an outcome, as far as a request needs it.
struct RequestedOutcome {
  std::string domain;
  Uuid match_id, conversation_id;
  std::optional<std::string> status;  ///< of a conversation
};
BOOST_DESCRIBE_STRUCT(RequestedOutcome, (), (domain, match_id, conversation_id, status))

InvalidRequest unknown(std::string_view thing, std::string field) {
  return {InvalidRequest::Kind::unknown, "unknown_" + std::string{thing}, "There is no such " + std::string{thing},
          std::move(field)};
}

InvalidRequest wrong_state(std::string reason, std::string detail, std::string field) {
  return {InvalidRequest::Kind::state, std::move(reason), std::move(detail), std::move(field)};
}

template <class Event>
PlannedEvent plan(Event const& event, std::string key) {
  if (auto const invalid = validate(event))
    throw InvalidRequest{InvalidRequest::Kind::invalid, "invalid_event", invalid->field + " " + invalid->reason,
                         invalid->field};
  return {Event::type, json::encode(event), std::move(key)};
}

std::string pair_key(Uuid const& user, Uuid const& other) {
  return to_string(std::min(user, other)) + ":" + to_string(std::max(user, other));
}

Candidacy read_candidacy(pqxx::transaction_base& transaction, Uuid const& id, std::string field) {
  auto found = postgres::read_optional<Candidacy>(
      transaction,
      "SELECT u.id, u.domain,"
      " u.status = 'APPROVED' AND COALESCE(u.deep_analysis_consent_at <= now(), false) AND s.user_id IS NOT NULL"
      " AS eligible"
      " FROM users u LEFT JOIN personal_stories s ON s.user_id = u.id WHERE u.id = $1::uuid",
      pqxx::params{to_string(id)});
  if (!found) throw unknown("user", std::move(field));
  return *std::move(found);
}

InvalidRequest in_future() {
  return {InvalidRequest::Kind::invalid, "invalid_event", "date must not be in the future: its news would be missing",
          "date"};
}

/// @throws InvalidRequest for a day that has begun nowhere
void check_report_date(std::string const& date) {
  constexpr std::int64_t earliest_zone_ms = 14 * 3'600'000;
  if (auto const invalid = rules::date("date", date))
    throw InvalidRequest{InvalidRequest::Kind::invalid, "invalid_event", invalid->field + " " + invalid->reason,
                         invalid->field};
  if (*parse_time_or_date_ms(date) > wall_clock_ms() + earliest_zone_ms) throw in_future();
}

RequestedMatch find_match(pqxx::transaction_base& transaction, Uuid const& id) {
  auto found = postgres::read_optional<RequestedMatch>(
      transaction, "SELECT domain, user_a_id, user_b_id, status FROM omniscient_matches WHERE id = $1::uuid",
      pqxx::params{to_string(id)});
  if (!found) throw unknown("match", "matchId");
  return *std::move(found);
}

}  // namespace

PlannedEvent plan_person(pqxx::transaction_base& transaction, TimeZones const& zones, PersonRecorded const& person) {
  auto planned = plan(person, to_string(person.user_id));
  constexpr std::int64_t clocks_differ_ms = 300'000;
  if (person.deep_analysis_consent_at &&
      parse_time_ms(*person.deep_analysis_consent_at).value_or(0) > wall_clock_ms() + clocks_differ_ms)
    throw InvalidRequest{InvalidRequest::Kind::invalid, "invalid_event",
                         "deep_analysis_consent_at must not be in the future", "deep_analysis_consent_at"};
  if (!zones.contains(person.timezone))
    throw InvalidRequest{InvalidRequest::Kind::invalid, "invalid_event",
                         "timezone must be a name of the time zone database, such as Africa/Kigali", "timezone"};
  if (!transaction
           .exec("SELECT FROM users WHERE domain = $1 AND handle = $2 AND id <> $3::uuid",
                 pqxx::params{person.domain, person.handle, to_string(person.user_id)})
           .empty())
    throw wrong_state("handle_taken", "Another person of the tenant has that handle", "handle");
  return planned;
}

PlannedEvent plan_batch(std::string domain, Uuid const& batch, std::optional<std::int64_t> size,
                        std::optional<Uuid> actor) {
  if (size && (*size < 1 || *size > most_pairs))
    throw InvalidRequest{InvalidRequest::Kind::invalid, "invalid_event",
                         "batchSize must be 1 to " + std::to_string(most_pairs), "batchSize"};
  MatchBatchRequested const event{std::move(domain), batch, size, actor};
  return plan(event, to_string(event.batch_id));
}

PlannedEvent plan_manual_match(pqxx::transaction_base& transaction, Uuid const& user, Uuid const& other,
                               std::optional<Uuid> actor) {
  if (user == other)
    throw InvalidRequest{InvalidRequest::Kind::invalid, "same_person", "A match needs two different people", "userIdB"};
  auto const one = read_candidacy(transaction, user, "userIdA");
  auto const two = read_candidacy(transaction, other, "userIdB");
  if (one.domain != two.domain) throw unknown("user", "userIdB");
  for (auto const& [person, field] : {std::pair{one, "userIdA"}, std::pair{two, "userIdB"}})
    if (!person.eligible)
      throw wrong_state("not_eligible", "The person is not approved, has no story, or did not consent to deep analysis",
                        field);
  if (transaction.query_value<bool>("SELECT omniscient_is_blocked($1::uuid, $2::uuid)",
                                    pqxx::params{to_string(user), to_string(other)}))
    throw wrong_state("not_eligible", "The two may not be matched with each other", "userIdB");
  return plan(MatchManualRequested{one.domain, std::min(user, other), std::max(user, other), actor},
              pair_key(user, other));
}

PlannedEvent plan_override(pqxx::transaction_base& transaction, Uuid const& match_id,
                           std::vector<MatchInsight> insights, std::optional<Uuid> actor) {
  auto const match = find_match(transaction, match_id);
  if (match.status == "completed" || match.status == "cancelled")
    throw wrong_state("illegal_transition", "The match has ended", "matchId");
  return plan(MatchInsightsOverrideRequested{match.domain, match_id, std::move(insights), actor},
              pair_key(match.user_a_id, match.user_b_id));
}

PlannedEvent plan_conversation(pqxx::transaction_base& transaction, Uuid const& match_id, std::optional<Uuid> actor) {
  auto const match = find_match(transaction, match_id);
  if (match.status != "analyzed" && match.status != "scheduled")
    throw wrong_state(
        "illegal_transition",
        match.status == "pending_analysis" ? "The match is not analyzed yet" : "The match is active or has ended",
        "matchId");
  return plan(MatchMidnightRequested{match.domain, random_uuid(), std::nullopt, match_id, std::nullopt, actor},
              pair_key(match.user_a_id, match.user_b_id));
}

PlannedEvent plan_midnight(pqxx::transaction_base& transaction, std::string domain, std::optional<Uuid> user_id,
                           std::optional<std::string> at, std::optional<Uuid> actor) {
  if (user_id && read_candidacy(transaction, *user_id, "userId").domain != domain) throw unknown("user", "userId");
  MatchMidnightRequested const event{std::move(domain), random_uuid(), user_id, std::nullopt, std::move(at), actor};
  return plan(event, to_string(event.batch_id));
}

PlannedEvent plan_outcome_analysis(pqxx::transaction_base& transaction, Uuid const& conversation_id,
                                   std::optional<Uuid> actor) {
  auto const found = postgres::read_optional<RequestedOutcome>(
      transaction,
      "SELECT domain, match_id, id AS conversation_id, status FROM omniscient_conversations WHERE id = $1::uuid",
      pqxx::params{to_string(conversation_id)});
  if (!found) throw unknown("conversation", "conversationId");
  if (found->status != "completed")
    throw wrong_state("illegal_transition", "The conversation is not completed", "conversationId");
  return plan(OutcomeAnalysisRequested{found->domain, found->match_id, conversation_id, actor},
              to_string(found->match_id));
}

PlannedEvent plan_collaboration(pqxx::transaction_base& transaction, Uuid const& outcome_id, bool tracked,
                                std::optional<std::string> details, std::optional<Uuid> actor) {
  auto const found = postgres::read_optional<RequestedOutcome>(
      transaction,
      "SELECT domain, match_id, conversation_id, NULL AS status FROM omniscient_outcomes WHERE id = $1::uuid",
      pqxx::params{to_string(outcome_id)});
  if (!found) throw unknown("outcome", "id");
  return plan(OutcomeCollaborationTracked{found->domain, found->match_id, found->conversation_id, outcome_id, tracked,
                                          std::move(details), actor},
              to_string(found->match_id));
}

PlannedEvent plan_report(pqxx::transaction_base& transaction, Uuid const& user_id, std::optional<std::string> date,
                         std::optional<Uuid> actor) {
  auto const person = read_candidacy(transaction, user_id, "userId");
  if (date) {
    check_report_date(*date);
    if (!transaction.query_value<bool>("SELECT $2::date <= (now() AT TIME ZONE omniscient_zone(timezone))::date"
                                       " FROM users WHERE id = $1::uuid",
                                       pqxx::params{to_string(user_id), *date}))
      throw in_future();
  }
  return plan(ReportRequested{person.domain, user_id, std::move(date), actor}, to_string(user_id));
}

PlannedEvent plan_rating(pqxx::transaction_base& transaction, Uuid const& report_id, Uuid const& person,
                         std::int64_t rating) {
  auto const domain = postgres::read_optional<std::string>(
      transaction, "SELECT domain FROM omniscient_reports WHERE id = $1::uuid AND user_id = $2::uuid",
      pqxx::params{to_string(report_id), to_string(person)});
  if (!domain) throw unknown("report", "id");
  return plan(ReportRated{*domain, person, report_id, rating}, to_string(person));
}

std::vector<PlannedEvent> plan_reports(pqxx::transaction_base& transaction, std::string const& domain,
                                       std::optional<std::string> const& date, std::optional<Uuid> actor) {
  if (date) check_report_date(*date);
  auto const people = postgres::read<Uuid>(
      transaction,
      "SELECT u.id FROM users u WHERE u.domain = $1 AND u.status = 'APPROVED'"
      " AND ($3::date IS NULL OR $3::date <= (now() AT TIME ZONE omniscient_zone(u.timezone))::date)"
      " AND EXISTS ("
      " SELECT FROM omniscient_matches m JOIN omniscient_outcomes o ON o.match_id = m.id"
      " WHERE u.id IN (m.user_a_id, m.user_b_id) AND NOT EXISTS ("
      "  SELECT FROM omniscient_report_outcomes x WHERE x.user_id = u.id AND x.outcome_id = "
      "o.id)) ORDER BY u.id LIMIT $2",
      pqxx::params{domain, most_reports, date});
  std::vector<PlannedEvent> planned;
  planned.reserve(people.size());
  for (auto const& id : people) planned.push_back(plan(ReportRequested{domain, id, date, actor}, to_string(id)));
  return planned;
}

}  // namespace omnibus::matches
