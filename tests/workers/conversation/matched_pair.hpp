/// A database with two people, their stories, and a match of theirs that is active and rests on insights.
#pragma once

#include "tests/common/postgres/database_fixture.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <string>

#include <pqxx/pqxx>

namespace omnibus::conversation::test {

class MatchedPair : public omnibus::test::TestDatabase {
 public:
  MatchedPair() {
    add_tenant("shop.example");
    execute(R"(
      INSERT INTO users (id, domain, handle, status, deep_analysis_consent_at) VALUES
        ('00000000-0000-4000-8000-00000000000a', 'shop.example', 'Zoë O''Brien', 'APPROVED', now()),
        ('00000000-0000-4000-8000-00000000000b', 'shop.example', '助手 <1>', 'APPROVED', now());
      INSERT INTO personal_stories (user_id, narrative, current_focus, seeking_connections, offering_expertise) VALUES
        ('00000000-0000-4000-8000-00000000000a', 'I build timber bridges.', NULL, '{tests,"a \"b\",c"}', '{bridges}'),
        ('00000000-0000-4000-8000-00000000000b', 'I test joints.', 'joints', '{}', '{}');
      INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, status)
      VALUES ('00000000-0000-4000-a000-000000000001', 'shop.example', '00000000-0000-4000-8000-00000000000a',
              '00000000-0000-4000-8000-00000000000b', 'active');
      INSERT INTO omniscient_insights (id, domain, insight_type, title, description, score)
      SELECT ('00000000-0000-4000-b000-00000000000' || n)::uuid, 'shop.example', kind::omniscient_insight_type, kind,
             'about ' || kind, 0.5
      FROM unnest(ARRAY['synergy', 'risk', 'next_step']) WITH ORDINALITY AS each (kind, n);
      INSERT INTO omniscient_match_insights (match_id, insight_id, relevance_score)
      SELECT '00000000-0000-4000-a000-000000000001', id, CASE insight_type WHEN 'synergy' THEN 0.90 ELSE 0.45 END
      FROM omniscient_insights)");
  }

  void execute(std::string const& sql) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec(sql);
  }
  std::int64_t number(std::string const& query) const {
    pqxx::connection connection{url()};
    return pqxx::nontransaction{connection}.query_value<std::int64_t>(query);
  }
  std::string text(std::string const& query) const {
    pqxx::connection connection{url()};
    return pqxx::nontransaction{connection}.query_value<std::string>(query);
  }

  std::string const domain = "shop.example";
  Uuid const match = *parse_uuid("00000000-0000-4000-a000-000000000001");
  Uuid const conversation = *parse_uuid("00000000-0000-4000-c000-000000000001");
  Uuid const person_a = *parse_uuid("00000000-0000-4000-8000-00000000000a");
};

}  // namespace omnibus::conversation::test
