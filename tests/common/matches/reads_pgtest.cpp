// Lists page by page, in a migrated database.
#include "matches/reads.hpp"
#include "tests/workers/outcome/match_tables.hpp"

#include <algorithm>
#include <cstddef>
#include <set>
#include <vector>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::matches;
using omnibus::outcome::test::MatchDatabase;

namespace {

constexpr std::size_t row_count = 60;

/// 60 rows of each list of one tenant, all created at the same time. Their ids are random: no order of storage is the
/// order of ids.
struct SameTimeLists {
  SameTimeLists() {
    for (std::size_t i = 0; i < row_count; ++i) add_match();
    for (auto const* const table : {"users", "omniscient_matches", "omniscient_conversations", "omniscient_outcomes",
                                    "omniscient_reports", "omniscient_processing_logs"})
      database.execute(std::string{"UPDATE "} + table + " SET created_at = '2026-11-20'");
  }

  /// Two people, their match, its conversation and outcome, the report of one of them, and a row of the processing log.
  void add_match() const {
    auto const match = database.add_match();
    auto const conversation = database.add_conversation(match, "completed", "agreed_end", {"Hello."});
    database.execute(
        "INSERT INTO omniscient_outcomes (conversation_id, match_id, domain, outcome_analysis) SELECT id, match_id, "
        "domain, 'x' FROM omniscient_conversations WHERE id = $1",
        pqxx::params{to_string(conversation)});
    database.execute(
        "INSERT INTO omniscient_reports (domain, user_id, report_date, text, html) SELECT domain, user_a_id, "
        "'2026-11-20', '', '' FROM omniscient_matches WHERE id = $1",
        pqxx::params{to_string(match)});
    database.execute(
        "INSERT INTO omniscient_processing_logs (process_type, action, event_id, domain) VALUES ('match', "
        "'analyze_pair', gen_random_uuid(), 'shop.example')");
  }

  /// The ids that the pages of a list hold, one after the other.
  template <class Read, class Filter>
  std::vector<Uuid> ids_of(Read read, Filter const& filter) const {
    pqxx::connection connection{database.url_as("readonly")};
    pqxx::work transaction{connection};
    std::vector<Uuid> ids;
    Page page{7, 0};
    for (;; page.offset += page.limit) {
      auto const rows = read(transaction, filter, page);
      for (auto const& row : rows) ids.push_back(row.id);
      if (rows.size() < static_cast<std::size_t>(page.limit)) return ids;
    }
  }

  MatchDatabase database;
};

void check_each_once(std::vector<Uuid> const& ids, std::size_t rows = row_count) {
  CHECK(ids.size() == rows);
  CHECK(std::set<Uuid>(ids.begin(), ids.end()).size() == rows);
  CHECK(std::is_sorted(ids.begin(), ids.end()));
}

}  // namespace

TEST_CASE("pages of rows that were created at the same time hold each row once, in the order of ids") {
  SameTimeLists const lists;
  check_each_once(lists.ids_of(read_people, PersonFilter{}), 2 * row_count);
  check_each_once(lists.ids_of(read_matches, MatchFilter{}));
  check_each_once(lists.ids_of(read_agent_conversations, AgentConversationFilter{}));
  check_each_once(lists.ids_of(read_outcomes, OutcomeFilter{}));
  check_each_once(lists.ids_of(read_reports, ReportFilter{}));
  check_each_once(lists.ids_of(read_processing_logs, ProcessingLogFilter{}));
}
