#include "workers/match/candidate_store.hpp"

#include "flags/feature_flag.hpp"
#include "postgres/rows.hpp"

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::match {
namespace {

// No step compares everybody with everybody. People are numbered by a hash, so that what a person reads of a common
// word, 200 numbers from an own start on, is spread over all and is the same in every run; who is barred moves the
// start on. A person reads the rarest words first, and no further word once 200 people are read. The 30 who were met
// most often, the nearest numbers first, are scored; the best 20 stay.
constexpr std::string_view candidates_query = R"(
WITH people AS MATERIALIZED (
  SELECT row_number() OVER (ORDER BY hashtextextended(u.id::text, 0), u.id)::int AS n, u.id, s.seek_words,
         s.offer_words, s.updated_at
  FROM users u JOIN personal_stories s ON s.user_id = u.id
  WHERE u.domain = $1 AND u.status = 'APPROVED' AND u.deep_analysis_consent_at <= now()
    AND (SELECT status FROM tenants WHERE domain = $1) = 'active'),
barring AS MATERIALIZED (
  SELECT p.n AS a, q.n AS b
  FROM omniscient_matches m JOIN people p ON p.id = m.user_a_id JOIN people q ON q.id = m.user_b_id
  WHERE m.domain = $1
    AND (m.status NOT IN ('completed', 'cancelled')
         OR ((m.status = 'completed' OR m.cancel_reason = 'attempts_used')
             AND m.updated_at > now() - $2::bigint * interval '1 ms'
             AND m.updated_at >= greatest(p.updated_at, q.updated_at)))
  UNION
  SELECT p.n, q.n FROM omniscient_blocks b JOIN people p ON p.id = b.user_id JOIN people q ON q.id = b.other_id),
barred AS MATERIALIZED (
  SELECT n, array_agg(DISTINCT other) AS others
  FROM (SELECT a AS n, b AS other FROM barring UNION ALL SELECT b, a FROM barring) AS each GROUP BY n),
words AS MATERIALIZED (
  SELECT offers, word, array_agg(n ORDER BY n) AS people, count(*)::int AS size
  FROM (SELECT n, true AS offers, unnest(offer_words) AS word FROM people
        UNION ALL SELECT n, false, unnest(seek_words) FROM people) AS each
  GROUP BY offers, word),
wanted AS (
  SELECT own.n, w.offers, w.word,
         (abs(hashtext(own.n || w.word)::bigint) + coalesce(cardinality(b.others), 0)) % w.size AS start,
         sum(least(w.size, 200)) OVER (PARTITION BY own.n, w.offers ORDER BY w.size, w.word
                                       ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS read_before
  FROM (SELECT n, true AS offers, unnest(seek_words) AS word FROM people
        UNION ALL SELECT n, false, unnest(offer_words) FROM people) AS own
  JOIN words w USING (offers, word) LEFT JOIN barred b ON b.n = own.n),
readings AS MATERIALIZED (
  SELECT n, omniscient_concat(people[start + 1 : start + 200] || people[1 : least(start, start + 200 - size)]
                              ORDER BY offers, word) AS others
  FROM wanted JOIN words USING (offers, word) WHERE coalesce(read_before, 0) < 200 GROUP BY n),
pairs AS (
  SELECT DISTINCT least(r.n, met.other) AS a, greatest(r.n, met.other) AS b
  FROM readings r LEFT JOIN barred USING (n) CROSS JOIN LATERAL (
    SELECT other FROM unnest(r.others) AS other LEFT JOIN unnest(barred.others) AS no (one) ON no.one = other
    WHERE other <> r.n AND no.one IS NULL
    GROUP BY other ORDER BY count(*) DESC, abs(other - r.n), other LIMIT 30) AS met),
scored AS MATERIALIZED (
  SELECT least(p.id, q.id) AS a, greatest(p.id, q.id) AS b,
         (SELECT count(*) FROM unnest(p.seek_words) AS word WHERE word = ANY (q.offer_words)) +
         (SELECT count(*) FROM unnest(q.seek_words) AS word WHERE word = ANY (p.offer_words)) AS shared,
         coalesce(ts_rank(s.story, t.story_query), 0) + coalesce(ts_rank(t.story, s.story_query), 0) AS rank
  FROM pairs JOIN people p ON p.n = pairs.a JOIN people q ON q.n = pairs.b
  JOIN personal_stories s ON s.user_id = p.id JOIN personal_stories t ON t.user_id = q.id),
placed AS (
  SELECT a, b, shared, rank, row_number() OVER (PARTITION BY person ORDER BY shared DESC, rank DESC, a, b) AS place
  FROM scored CROSS JOIN LATERAL (VALUES (a), (b)) AS each (person)),
best AS MATERIALIZED (SELECT DISTINCT a, b, shared, rank FROM placed WHERE place <= 20)
SELECT a, b, (SELECT count(*) FROM best) AS pairs FROM best ORDER BY shared DESC, rank DESC, a, b LIMIT $3)";

/// How many may be matched.
struct PeopleCount {
  std::optional<std::string> tenant_status;
  std::int64_t people = 0;
};
BOOST_DESCRIBE_STRUCT(PeopleCount, (), (tenant_status, people))

struct CandidateRow : Pair {
  std::int64_t pairs = 0;
};
BOOST_DESCRIBE_STRUCT(CandidateRow, (), (a, b, pairs))

using SnapshotRead = pqxx::transaction<pqxx::isolation_level::repeatable_read, pqxx::write_policy::read_only>;

flags::FeatureFlag read_rollout(pqxx::transaction_base& query, std::string const& domain) {
  return postgres::read_optional<flags::FeatureFlag>(query,
                                                     "SELECT name, enabled, (percent * 100)::int AS share, subjects "
                                                     "FROM feature_flags WHERE domain = $1 AND name = $2",
                                                     pqxx::params{domain, flags::omniscient_matching})
      .value_or(flags::FeatureFlag{});
}

void prepare(pqxx::transaction_base& query) {
  query.exec("SET LOCAL jit = off");  // compiling takes longer than it saves
  query.exec("SET LOCAL work_mem = '16MB'");
}

}  // namespace

Candidates PostgresCandidates::find_over(pqxx::connection& connection, std::string const& domain,
                                         std::chrono::milliseconds rematch_after, std::int64_t limit) {
  SnapshotRead query{connection};  // the same for both queries
  auto const count = postgres::read_one<PeopleCount>(query, R"(
      SELECT (SELECT status FROM tenants WHERE domain = $1) AS tenant_status, count(*) AS people
      FROM users u JOIN personal_stories s ON s.user_id = u.id
      WHERE u.domain = $1 AND u.status = 'APPROVED' AND u.deep_analysis_consent_at <= now())",
                                                     pqxx::params{domain});
  Candidates candidates{count.tenant_status, count.people, 0, {}};
  auto const rollout = read_rollout(query, domain);
  auto const is_for_all = rollout.is_on_for_all();
  prepare(query);
  // Of a share, any pairs may be the best: all are read.
  auto const rows = postgres::read<CandidateRow>(
      query, candidates_query,
      pqxx::params{domain, rematch_after.count(), is_for_all ? std::optional{limit} : std::nullopt});
  if (!rows.empty()) candidates.pairs = rows.front().pairs;
  for (auto const& row : rows) {
    if (static_cast<std::int64_t>(candidates.ordered.size()) == limit) break;
    if (is_for_all || rollout.is_on(key_of(row))) candidates.ordered.push_back(row);
  }
  return candidates;
}

std::string PostgresCandidates::explain(pqxx::connection& connection, std::string const& domain) {
  SnapshotRead query{connection};
  prepare(query);
  std::string plan;
  for (auto const& line :
       postgres::read<std::string>(query, "EXPLAIN (ANALYZE, COSTS OFF, BUFFERS OFF) " + std::string{candidates_query},
                                   pqxx::params{domain, 0, 1000}))
    plan += line + "\n";
  return plan;
}

Task<Candidates> PostgresCandidates::find(Context& context, std::string domain, std::chrono::milliseconds rematch_after,
                                          std::int64_t limit) {
  auto reading = context.read([domain = std::move(domain), rematch_after, limit](pqxx::connection& connection) {
    return find_over(connection, domain, rematch_after, limit);
  });
  co_return co_await std::move(reading);
}

Task<std::vector<OfferedPair>> PostgresCandidates::describe(Context& context, std::vector<Pair> pairs) {
  auto reading = context.read([pairs = std::move(pairs)](pqxx::connection& connection) {
    std::vector<std::string> as, bs;
    for (auto const& pair : pairs) {
      as.push_back(to_string(pair.a));
      bs.push_back(to_string(pair.b));
    }
    pqxx::nontransaction query{connection};
    return postgres::read<OfferedPair>(query, R"(
        SELECT number, left(array_to_string(a.seeking_connections, '; '), 100) AS a_seeks,
               left(array_to_string(a.offering_expertise, '; '), 100) AS a_offers,
               left(array_to_string(b.seeking_connections, '; '), 100) AS b_seeks,
               left(array_to_string(b.offering_expertise, '; '), 100) AS b_offers
        FROM unnest($1::uuid[], $2::uuid[]) WITH ORDINALITY AS pair (a, b, number)
        JOIN personal_stories a ON a.user_id = pair.a JOIN personal_stories b ON b.user_id = pair.b
        ORDER BY number)",
                                       pqxx::params{as, bs});
  });
  co_return co_await std::move(reading);
}

}  // namespace omnibus::match
