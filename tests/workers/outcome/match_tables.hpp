/// Matches, conversations and outcomes in a migrated database, for tests of the workers that read them.
#pragma once

#include "tests/common/postgres/database_fixture.hpp"
#include "uuid/uuid.hpp"

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::outcome::test {

inline constexpr std::array<std::string_view, 4> labels{"STRONG_MATCH", "EXPLORATORY", "FUTURE_POTENTIAL", "NO_MATCH"};

/// A match that was held and judged; the outcomes by their index in `labels`.
struct JudgedMatch {
  std::array<std::string, 4> p;  ///< decimals
  std::size_t predicted = 0;
  std::size_t actual = 0;
  std::string scored_at = "2026-11-20T12:00:00Z";
};

class MatchDatabase : public omnibus::test::TestDatabase {
 public:
  MatchDatabase() {
    add_tenant("shop.example");
    add_tenant("other.example");
  }

  void execute(std::string const& sql, pqxx::params const& params = {}) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec(sql, params);
  }
  /// The only field, as text.
  std::string value(std::string const& query) const { return value_at(url(), query); }
  /// The same as a worker's role.
  std::string value_as(std::string_view role, std::string const& query) const { return value_at(url_as(role), query); }
  /// The same as the gateway reads for a principal.
  std::string value_for(std::string_view tenant, std::string_view role, Uuid const& principal,
                        std::string const& query) const {
    pqxx::connection connection{url_as("gateway")};
    pqxx::work transaction{connection};
    transaction.exec(
        "SELECT set_config('app.tenant', $1, true), set_config('app.role', $2, true), "
        "set_config('app.principal', $3, true)",
        pqxx::params{tenant, role, to_string(principal)});
    return transaction.exec(query).one_field().as<std::string>("null");
  }

  Uuid add_person(std::string_view handle, std::string_view domain = "shop.example",
                  std::string_view timezone = "UTC") const {
    auto const id = random_uuid();
    execute(
        "WITH p AS (INSERT INTO principals (domain, role, kind, name) VALUES ($2, 'visitor', 'person', $3) RETURNING "
        "id) "
        "INSERT INTO users (id, domain, handle, status, auth_user_id, timezone) "
        "SELECT $1, $2, $3, 'APPROVED', p.id, $4 FROM p",
        pqxx::params{to_string(id), domain, handle, timezone});
    return id;
  }
  /// A match of two new people. @return its id.
  Uuid add_match(std::string_view status = "active", std::string_view predicted = "EXPLORATORY",
                 std::string_view domain = "shop.example") const {
    auto const id = random_uuid();
    auto const a = add_person(to_string(random_uuid()), domain);
    auto const b = add_person(to_string(random_uuid()), domain);
    execute(
        "INSERT INTO omniscient_matches (id, user_a_id, user_b_id, status, domain, predicted_outcome, "
        "predicted_probabilities, opportunity_score, analyzed_at) VALUES ($1, LEAST($2::uuid, $3), GREATEST($2::uuid, "
        "$3), $4::omniscient_match_status, $5, $6::omniscient_outcome, "
        "'{\"STRONG_MATCH\": 0.25, \"EXPLORATORY\": 0.45, \"FUTURE_POTENTIAL\": 0.2, \"NO_MATCH\": 0.1}', 0.7, now())",
        pqxx::params{to_string(id), to_string(a), to_string(b), status, domain, predicted});
    return id;
  }
  /// A conversation with these messages, spoken in turn. @return its id.
  Uuid add_conversation(Uuid const& match, std::string_view status, std::string_view stop_reason,
                        std::vector<std::string> const& messages) const {
    auto const id = random_uuid();
    execute(
        "INSERT INTO omniscient_conversations (id, match_id, domain, status, stop_reason, completed_at) "
        "SELECT $1, m.id, m.domain, $3, NULLIF($4, ''), now() FROM omniscient_matches m WHERE m.id = $2",
        pqxx::params{to_string(id), to_string(match), status, stop_reason});
    for (std::size_t i = 0; i < messages.size(); ++i)
      execute(
          "INSERT INTO omniscient_turns (conversation_id, turn_number, speaker_user_id, speaker_role, message, "
          "opportunity_alignment_score) SELECT $1, $2::int, CASE WHEN $2::int % 2 = 1 THEN user_a_id ELSE user_b_id "
          "END, "
          "CASE WHEN $2::int % 2 = 1 THEN 'agent_a' ELSE 'agent_b' END, $3, CASE WHEN $2::int = 1 THEN 0.5 END "
          "FROM omniscient_matches WHERE id = $4",
          pqxx::params{to_string(id), static_cast<int>(i) + 1, messages[i], to_string(match)});
    return id;
  }
  /// Many matches at once, each held and judged, of one pair: calibration does not ask whose they are.
  void add_judged(std::vector<JudgedMatch> const& matches, std::string_view domain = "shop.example") const {
    pqxx::connection connection{url()};
    pqxx::work transaction{connection};
    auto const a = to_string(add_person(to_string(random_uuid()), domain));
    auto const b = to_string(add_person(to_string(random_uuid()), domain));
    for (auto const& match : matches) {
      auto const probabilities =
          fmt::format(R"({{"STRONG_MATCH": {}, "EXPLORATORY": {}, "FUTURE_POTENTIAL": {}, "NO_MATCH": {}}})",
                      match.p[0], match.p[1], match.p[2], match.p[3]);
      transaction.exec(
          "WITH m AS (INSERT INTO omniscient_matches (user_a_id, user_b_id, status, domain, predicted_outcome, "
          "predicted_probabilities) VALUES (LEAST($1::uuid, $2), GREATEST($1::uuid, $2), 'completed', $3, "
          "$4::omniscient_outcome, $5::jsonb) RETURNING id) "
          "INSERT INTO omniscient_conversations (match_id, status, domain, actual_outcome, completed_at) "
          "SELECT id, 'completed', $3, $6::omniscient_outcome, $7::timestamptz FROM m",
          pqxx::params{a, b, domain, labels.at(match.predicted), probabilities, labels.at(match.actual),
                       match.scored_at});
    }
    transaction.exec(
        "INSERT INTO omniscient_outcomes (conversation_id, match_id, domain, outcome_analysis, created_at) "
        "SELECT id, match_id, domain, 'x', completed_at FROM omniscient_conversations c WHERE NOT EXISTS "
        "(SELECT FROM omniscient_outcomes o WHERE o.conversation_id = c.id)");
    transaction.commit();
  }

 private:
  static std::string value_at(std::string const& url, std::string const& query) {
    pqxx::connection connection{url};
    return pqxx::nontransaction{connection}.exec(query).one_field().as<std::string>("null");
  }
};

}  // namespace omnibus::outcome::test
