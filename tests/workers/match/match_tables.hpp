/// The match worker's tables in a migrated database, and units of work as its role.
#pragma once

#include "engine/commit/handler_unit.hpp"
#include "events/match.hpp"
#include "postgres/unit.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "uuid/uuid.hpp"
#include "workers/match/match_store.hpp"

#include <functional>
#include <string>
#include <string_view>

#include <pqxx/pqxx>

namespace omnibus::match::test {

inline constexpr auto shop = "shop.example";

/// A person's id by number; a greater number is a greater id.
inline Uuid user(int number) {
  Uuid id;
  id.bytes[14] = static_cast<std::uint8_t>(number / 256);
  id.bytes[15] = static_cast<std::uint8_t>(number % 256);
  return id;
}

struct MatchTables {
  MatchTables() { database.add_tenant(shop); }

  void execute(std::string const& sql) { pqxx::nontransaction{admin}.exec(sql); }
  std::string value(std::string const& query) { return pqxx::nontransaction{admin}.query_value<std::string>(query); }

  /// Runs work as a worker's role and commits it. @throws what it throws
  void in_unit(std::function<void(UnitOfWork&)> const& work, std::string_view role = "match") {
    pqxx::connection connection{database.url_as(role)};
    pqxx::work transaction{connection};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    engine::HandlerUnit unit{inner, engine::EventMaker{originate("/test", MatchPairRequested::type), "match"}};
    work(unit);
    gathered.write(transaction);
    transaction.commit();
  }

  /// An approved person with consent and a story.
  void add_person(int number, std::string const& zone = "UTC", std::string const& seeks = "tea",
                  std::string const& offers = "cups", std::string const& domain = shop) {
    pqxx::work transaction{admin};
    auto const id = to_string(user(number));
    transaction.exec(
        "INSERT INTO users (id, domain, handle, timezone, status, deep_analysis_consent_at) "
        "VALUES ($1, $2, $3, $4, 'APPROVED', now())",
        pqxx::params{id, domain, "person " + std::to_string(number), zone});
    transaction.exec(
        "INSERT INTO personal_stories (user_id, narrative, seeking_connections, offering_expertise) "
        "VALUES ($1, 'A story.', ARRAY[$2], ARRAY[$3])",
        pqxx::params{id, seeks, offers});
    transaction.commit();
  }
  /// A match of two people, brought to its status as the trigger wants it.
  Uuid add_match(int a, int b, std::string const& status, std::string const& scheduled_for = "now()") {
    auto const id = random_uuid();
    execute("INSERT INTO omniscient_matches (id, domain, user_a_id, user_b_id, scheduled_for) VALUES ('" +
            to_string(id) + "', 'shop.example', '" + to_string(user(a)) + "', '" + to_string(user(b)) + "', " +
            scheduled_for + ")");
    if (status == "pending_analysis") return id;
    set_status(id, status == "cancelled" ? "cancelled" : "analyzed");
    if (status == "scheduled" || status == "active" || status == "completed") set_status(id, "scheduled");
    if (status == "active" || status == "completed") set_status(id, "active");
    if (status == "completed") set_status(id, "completed");
    return id;
  }
  void set_status(Uuid const& match, std::string const& status) {
    execute("UPDATE omniscient_matches SET status = '" + status + "' WHERE id = '" + to_string(match) + "'");
  }
  std::string status(Uuid const& match) {
    return value("SELECT concat_ws(' ', status, cancel_reason) FROM omniscient_matches WHERE id = '" +
                 to_string(match) + "'");
  }

  omnibus::test::TestDatabase database;
  pqxx::connection admin{database.url()};
};

}  // namespace omnibus::match::test
