/// The match worker's handler without engine, broker, database and model.
#pragma once

#include "handler/fake_context.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "tests/workers/match/fake_stores.hpp"

#include <memory>
#include <string>

namespace omnibus::match::test {

inline constexpr auto domain = "shop.example";

inline Uuid person(int number) {
  Uuid id;
  id.bytes[14] = static_cast<std::uint8_t>(number / 256);
  id.bytes[15] = static_cast<std::uint8_t>(number % 256);
  return id;
}

/// A model's analysis whose parts are all `part`, without risk.
inline std::string analysis(std::string const& part = "0.8", std::string const& probabilities = R"({"strong_match":0.5,
    "exploratory":0.3,"future_potential":0.1,"no_match":0.1})") {
  return R"({"fit":)" + part + R"(,"focus":)" + part + R"(,"value":)" + part + R"(,"feasibility":)" + part +
         R"(,"risk":0,"probabilities":)" + probabilities + R"(,"summary":"Clocks need cases.","reasoning":"They fit.",
         "insights":[{"type":"synergy","title":"Cases","description":"One builds, one repairs.","relevance":0.9,
         "score":0.8},{"type":"risk","title":"Far","description":"They live far apart.","relevance":0.4,"score":0.5}]})";
}

struct Matching {
  explicit Matching(bool replay = false, MatchSettings const& chosen = {}) : settings{chosen} {
    context.keep_consistent(tables);
    if (replay) context.replay();
    MatchStores stores{std::make_unique<FakePeople>(tables), std::make_unique<FakeCandidates>(tables),
                       std::make_unique<FakeMatches>(tables)};
    handler = std::make_unique<MatchHandler>(settings, std::move(stores), model.make(settings));
  }

  auto pair(std::optional<Uuid> batch = {}) {
    return context.hand(*handler, MatchPairRequested{domain, person(1), person(2), batch});
  }
  auto manual(int a = 1, int b = 2) {
    return context.hand(*handler, MatchManualRequested{domain, person(a), person(b), person(9)});
  }
  /// The only match.
  FakeMatch& match() { return tables.matches.begin()->second; }
  Uuid match_id() const { return tables.matches.begin()->first; }

  MatchSettings settings;
  FakeContext context{"match"};
  FakeTables tables;
  assistant::test::FakeModel model{context};
  std::unique_ptr<MatchHandler> handler;
};

}  // namespace omnibus::match::test
