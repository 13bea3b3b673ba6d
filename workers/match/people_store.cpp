#include "workers/match/people_store.hpp"

#include "handler/failure.hpp"
#include "postgres/rows.hpp"
#include "text/words.hpp"
#include "time/time.hpp"
#include "workers/match/tenant.hpp"

#include <optional>

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::match {
namespace {

/// What there is before a person is stored.
struct PersonBefore {
  std::optional<std::string> tenant_status;
  bool elsewhere = false;
  bool handle_taken = false;
  bool newer = false;  ///< a later event recorded the person
};
BOOST_DESCRIBE_STRUCT(PersonBefore, (), (tenant_status, elsewhere, handle_taken, newer))

std::vector<std::string> texts_of(std::vector<Uuid> const& ids) {
  std::vector<std::string> texts;
  texts.reserve(ids.size());
  for (auto const& id : ids) texts.push_back(to_string(id));
  return texts;
}

/// @return false when a later event recorded the person. @throws Failure
bool check(pqxx::transaction_base& transaction, PersonRecorded const& person, std::string const& time) {
  auto const before =
      postgres::read_one<PersonBefore>(transaction, R"(
      SELECT (SELECT status FROM tenants WHERE domain = $1) AS tenant_status,
             EXISTS (SELECT FROM users WHERE id = $2 AND domain <> $1) AS elsewhere,
             EXISTS (SELECT FROM users WHERE domain = $1 AND handle = $3 AND id <> $2) AS handle_taken,
             EXISTS (SELECT FROM users WHERE id = $2 AND domain = $1 AND recorded_at > $4::timestamptz) AS newer)",
                                       pqxx::params{person.domain, to_string(person.user_id), person.handle, time});
  check_tenant(before.tenant_status);
  if (before.elsewhere) throw Failure::permanent("user_id is no person of this tenant", "unknown_user");
  if (before.newer) return false;
  if (before.handle_taken) throw Failure::permanent("handle is another person's", "invalid_event");
  return true;
}

// A clock that is ahead must not keep later events out: a time counts up to now.
void store_person(pqxx::transaction_base& transaction, PersonRecorded const& person, std::string const& time) {
  transaction.exec(
      R"(
      INSERT INTO users AS u (id, domain, handle, timezone, status, email, deep_analysis_consent_at, blocked_user_ids,
                              recorded_at)
      VALUES ($1, $2, $3, $4, $5, $6, $7, $8::uuid[], least($9::timestamptz, now()))
      ON CONFLICT (id) DO UPDATE
      SET timezone = excluded.timezone, status = excluded.status, email = excluded.email,
          deep_analysis_consent_at = excluded.deep_analysis_consent_at, blocked_user_ids = excluded.blocked_user_ids,
          recorded_at = excluded.recorded_at
      WHERE u.domain = excluded.domain)",
      pqxx::params{to_string(person.user_id), person.domain, person.handle, person.timezone, person.status,
                   person.email,
                   person.deep_analysis_consent_at ? time_in_utc(*person.deep_analysis_consent_at) : std::nullopt,
                   texts_of(person.blocked_user_ids.value_or(std::vector<Uuid>{})), time});
  // Apart, for it is in a key: two people who block each other would wait for one another.
  transaction.exec("UPDATE users SET handle = $3 WHERE id = $1 AND domain = $2 AND handle <> $3",
                   pqxx::params{to_string(person.user_id), person.domain, person.handle});
}

void store_story(pqxx::transaction_base& transaction, PersonRecorded const& person, std::string const& time) {
  if (!person.narrative || !has_words(*person.narrative)) {
    transaction.exec("DELETE FROM personal_stories WHERE user_id = $1", pqxx::params{to_string(person.user_id)});
    return;
  }
  // The time changes with the story alone: it decides whether two people may be matched again.
  transaction.exec(
      R"(
      INSERT INTO personal_stories AS s (user_id, narrative, current_focus, seeking_connections, offering_expertise,
                                         updated_at)
      VALUES ($1, $2, $3, $4, $5, least($6::timestamptz, now()))
      ON CONFLICT (user_id) DO UPDATE
      SET narrative = excluded.narrative, current_focus = excluded.current_focus,
          seeking_connections = excluded.seeking_connections, offering_expertise = excluded.offering_expertise,
          updated_at = excluded.updated_at
      WHERE (s.narrative, s.current_focus, s.seeking_connections, s.offering_expertise) IS DISTINCT FROM
            (excluded.narrative, excluded.current_focus, excluded.seeking_connections, excluded.offering_expertise))",
      pqxx::params{to_string(person.user_id), *person.narrative, person.current_focus,
                   person.seeking_connections.value_or(std::vector<std::string>{}),
                   person.offering_expertise.value_or(std::vector<std::string>{}), time});
}

/// The person's own blocks, and those of people who blocked this id before it was known.
void store_blocks(pqxx::transaction_base& transaction, Uuid const& person) {
  pqxx::params const id{to_string(person)};
  transaction.exec(R"(
      DELETE FROM omniscient_blocks b USING users u
      WHERE b.user_id = $1 AND u.id = $1 AND b.other_id <> ALL (u.blocked_user_ids))",
                   id);
  transaction.exec(R"(
      INSERT INTO omniscient_blocks (user_id, other_id)
      SELECT me.id, other.id FROM users me JOIN users other ON other.id = ANY (me.blocked_user_ids)
      WHERE me.id = $1 AND other.domain = me.domain AND other.id <> me.id
      UNION
      SELECT other.id, me.id FROM users me JOIN users other ON other.blocked_user_ids @> ARRAY[$1::uuid]
      WHERE me.id = $1 AND other.domain = me.domain AND other.id <> me.id
      ON CONFLICT DO NOTHING)",
                   id);
}

}  // namespace

Task<matches::TimeZones> PostgresPeople::read_zones(Context& context) {
  auto reading = context.read([](pqxx::connection& connection) {
    pqxx::nontransaction query{connection};
    return matches::TimeZones{query};
  });
  co_return co_await std::move(reading);
}

std::optional<std::vector<Uuid>> PostgresPeople::record(UnitOfWork& unit, PersonRecorded const& person,
                                                        std::int64_t time_ms) {
  auto& transaction = unit.transaction();
  auto const time = format_time_ms(time_ms);
  if (!check(transaction, person, time)) return std::nullopt;
  store_person(transaction, person, time);
  store_story(transaction, person, time);
  store_blocks(transaction, person.user_id);
  // Locked in one order: people whose matches form a ring may be recorded at the same time.
  return postgres::read<Uuid>(transaction, R"(
      WITH ended AS (
        SELECT id FROM omniscient_matches
        WHERE status IN ('pending_analysis', 'analyzed', 'scheduled') AND $1 IN (user_a_id, user_b_id)
          AND NOT omniscient_may_meet(user_a_id, user_b_id)
        ORDER BY id FOR UPDATE)
      UPDATE omniscient_matches m SET status = 'cancelled', cancel_reason = 'withdrawn' FROM ended
      WHERE m.id = ended.id
      RETURNING m.id)",
                              pqxx::params{to_string(person.user_id)});
}

}  // namespace omnibus::match
