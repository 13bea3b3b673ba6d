#include "database_fixture.hpp"
#include "postgres/rows.hpp"

#include <boost/describe/class.hpp>
#include <boost/describe/enum.hpp>
#include <doctest/doctest.h>

namespace omnibus::postgres {
namespace {

enum class Mood { calm, cross };
BOOST_DESCRIBE_ENUM(Mood, calm, cross)

struct Named {
  Uuid id;
  std::string name;
};
BOOST_DESCRIBE_STRUCT(Named, (), (id, name))

struct Guest : Named {
  std::int64_t visits = 0;
  double spent = 0;
  bool banned = true;
  Mood mood = Mood::cross;
  std::optional<Mood> mood_before;
  std::optional<std::string> room;
  std::vector<std::string> tags;
  std::optional<std::chrono::system_clock::time_point> left_at;
  std::chrono::milliseconds stay{};
  pqxx::bytes picture;
};
BOOST_DESCRIBE_STRUCT(Guest, (Named), (visits, spent, banned, mood, mood_before, room, tags, left_at, stay, picture))

struct Visits {
  std::int32_t visits = 0;
};
BOOST_DESCRIBE_STRUCT(Visits, (), (visits))

/// A connection in a transaction, in the database that every cluster has.
struct Session {
  pqxx::connection connection{test::cluster_url()};
  pqxx::nontransaction transaction{connection};
};

template <class Row>
std::string problem_of(pqxx::result const& rows) {
  try {
    read<Row>(rows);
  } catch (RowError const& error) {
    return error.what();
  }
  return "";
}

}  // namespace

TEST_CASE("a member is read from the column of its name, wherever that stands") {
  Session session;
  auto const guests = read<Guest>(session.transaction, R"(
      SELECT '\x00ff'::bytea AS picture, 1500::bigint AS stay, 1000::bigint AS left_at, ARRAY['a,b', 'c"'] AS tags, $1 AS room,
             'cross' AS mood_before, 'calm' AS mood, false AS banned, 2.5::numeric AS spent, 7 AS visits, 'Ada' AS name,
             '00000000-0000-4000-8000-000000000001'::uuid AS id, 'unused' AS other
      UNION ALL
      SELECT '', 0, NULL, '{}', NULL, NULL, 'cross', true, 0, 0, '', '00000000-0000-4000-8000-000000000002', '')",
                                  pqxx::params{"12"});
  REQUIRE(guests.size() == 2);
  auto const& ada = guests[0];
  CHECK(to_string(ada.id) == "00000000-0000-4000-8000-000000000001");
  CHECK(ada.name == "Ada");
  CHECK(ada.visits == 7);
  CHECK(ada.spent == 2.5);
  CHECK_FALSE(ada.banned);
  CHECK(ada.mood == Mood::calm);
  CHECK(ada.mood_before == Mood::cross);
  CHECK(ada.room == "12");
  CHECK(ada.tags == std::vector<std::string>{"a,b", "c\""});
  CHECK(ada.left_at == std::chrono::system_clock::time_point{std::chrono::seconds{1}});
  CHECK(ada.stay == std::chrono::milliseconds{1500});
  CHECK(ada.picture == pqxx::bytes{std::byte{0}, std::byte{255}});
  auto const& other = guests[1];
  CHECK_FALSE(other.room);
  CHECK_FALSE(other.mood_before);
  CHECK_FALSE(other.left_at);
  CHECK(other.tags.empty());
}

TEST_CASE("a query's only column needs no struct") {
  Session session;
  CHECK(read<int>(session.transaction, "SELECT generate_series(1, 3)") == std::vector<int>{1, 2, 3});
  CHECK(read_one<std::optional<std::string>>(session.transaction, "SELECT NULL::text") == std::nullopt);
  CHECK(read_one<Uuid>(session.transaction, "SELECT '00000000-0000-0000-0000-000000000000'::uuid") == Uuid{});
  CHECK(problem_of<int>(session.transaction.exec("SELECT 1, 2")) ==
        "the query has 2 columns and int is one value: describe a struct to read more");
}

TEST_CASE("one row is one row, and none is nothing") {
  Session session;
  CHECK(read_one<Visits>(session.transaction, "SELECT 4 AS visits").visits == 4);
  CHECK_THROWS_AS(read_one<Visits>(session.transaction, "SELECT 4 AS visits WHERE false"), pqxx::unexpected_rows);
  CHECK(read_optional<Visits>(session.transaction, "SELECT 4 AS visits")->visits == 4);
  CHECK_FALSE(read_optional<Visits>(session.transaction, "SELECT 4 AS visits WHERE false"));
  CHECK_THROWS_AS(read_optional<Visits>(session.transaction, "SELECT 4 AS visits FROM generate_series(1, 2)"),
                  pqxx::unexpected_rows);
}

TEST_CASE("an error names the column and the struct that do not fit") {
  Session session;
  auto const problem = [&](char const* query) { return problem_of<Visits>(session.transaction.exec(query)); };
  // Without any row, too: the first run of a query tells, not the first match.
  CHECK(problem("SELECT 4 AS visit WHERE false").starts_with("the query has no column visits for omnibus::postgres::"));
  CHECK(problem("SELECT 4 AS visits, 5 AS visits").starts_with("the query has two columns visits"));
  auto const null = problem("SELECT NULL::int AS visits");
  CHECK(null.starts_with("column visits cannot be read into omnibus::postgres::"));
  CHECK(null.ends_with("Visits: is NULL, which only a std::optional can be"));
  CHECK(problem("SELECT 'many' AS visits").starts_with("column visits cannot be read into"));
  CHECK(problem("SELECT 5000000000 AS visits").starts_with("column visits cannot be read into"));
  CHECK(problem_of<Uuid>(session.transaction.exec("SELECT 'x'")).ends_with("omnibus::Uuid: is no UUID"));
  CHECK(problem_of<Mood>(session.transaction.exec("SELECT 'glad'")).find("names no enumerator of") !=
        std::string::npos);
}

}  // namespace omnibus::postgres
