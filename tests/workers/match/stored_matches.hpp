/// Two people whose matches are opened and analysed, in a migrated database.
#pragma once

#include "handler/failure.hpp"
#include "tests/workers/match/match_tables.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace omnibus::match::test {

struct StoredMatches : MatchTables {
  StoredMatches() {
    add_person(1);
    add_person(2);
  }
  std::optional<OpenMatch> open(Uuid const& event = Uuid{}) {
    std::optional<OpenMatch> opened;
    in_unit([&](UnitOfWork& unit) { opened = store.open(unit, event, {}, shop, pair_of(user(2), user(1))); });
    return opened;
  }
  Stored analyse(Uuid const& match, std::string const& title = "Cases") {
    AnalysedMatch analysed{"0.29", R"({"fit":0.285})", R"({"NO_MATCH":1.0})", "NO_MATCH", "Summary.", "Why.", {}};
    analysed.insights.push_back({random_uuid(), "synergy", title, "It's \"so\".", 0.285, 0.8});
    analysed.insights.push_back({random_uuid(), "risk", "Far", "Far apart.", 0.4, {}});
    return store_analysis(match, std::move(analysed)).stored;
  }
  StoredAnalysis store_analysis(Uuid const& match, AnalysedMatch analysed, bool schedule = false,
                                std::string_view role = "match") {
    StoredAnalysis became;
    in_unit(
        [&](UnitOfWork& unit) {
          store.store(unit, match, std::move(analysed), schedule,
                      [&](StoredAnalysis stored) { became = std::move(stored); });
        },
        role);
    return became;
  }
  template <class Work>
  std::string refuse(Work work) {
    try {
      in_unit(work);
    } catch (Failure const& failure) {
      return failure.error_class();
    }
    return {};
  }

  PostgresMatches store;
};

}  // namespace omnibus::match::test
