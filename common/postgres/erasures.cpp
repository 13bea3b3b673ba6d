#include "postgres/erasures.hpp"

#include "postgres/rows.hpp"

#include <boost/describe/class.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace {

struct ErasedKey {
  std::string subject_key;
  bool running = false;
};
BOOST_DESCRIBE_STRUCT(ErasedKey, (), (subject_key, running))

}  // namespace

ErasureNews read_erasures(pqxx::connection& connection, std::string const& as_of,
                          std::vector<std::string> const& topics) {
  pqxx::work transaction{connection};
  ErasureNews news;
  // Rows that are committed out of order are read with the next call.
  news.as_of = transaction.query_value<std::string>("SELECT clock_timestamp() - interval '10 s'");
  auto const since = as_of.empty() ? std::string{"-infinity"} : as_of;
  for (auto const& [text, running] :
       read<ErasedKey>(transaction,
                       "SELECT subject_key, positions IS NULL AND NOT for_good AS running FROM pipeline.erasures "
                       "WHERE erased_at > $1::timestamptz",
                       pqxx::params{since}))
    if (auto const key = parse_subject_key(text)) (running ? news.running : news.erased).push_back(*key);
  // Offsets only grow: the newest erasures have the highest.
  if (!news.erased.empty())
    news.up_to = read<ErasedUpTo>(
        transaction,
        "SELECT t AS topic, p.key::int AS partition, max(p.value::bigint) AS \"offset\" "
        "FROM (SELECT positions FROM pipeline.erasures WHERE erased_at > $1::timestamptz AND positions IS NOT NULL "
        "ORDER BY erased_at DESC LIMIT 100) AS e, unnest($2::text[]) AS t, jsonb_each_text(e.positions -> t) AS p "
        "GROUP BY 1, 2",
        pqxx::params{since, topics});
  return news;
}

}  // namespace omnibus::postgres
