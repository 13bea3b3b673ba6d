#include "workers/telemetry/rollup.hpp"

#include "items.hpp"

#include <algorithm>
#include <map>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::telemetry;
using namespace omnibus::telemetry::test;

namespace {

std::vector<Call> read_all(std::vector<Item> const& items) {
  std::vector<Call> calls;
  calls.reserve(items.size());
  for (auto const& item : items) calls.push_back(read_call(item));
  return calls;
}

std::string row_of(Totals const& totals) {
  return fmt::format("{} {} {} {} {} {} {} {} {}", totals.calls, totals.failures, totals.input_tokens,
                     totals.output_tokens, totals.cost_nano_usd, totals.duration_sum_ms, totals.searches,
                     totals.zero_results, totals.durations.to_array());
}

/// A rollup as text, which can be compared.
std::map<std::string, std::string> table_of(Rollup const& rollup) {
  std::map<std::string, std::string> table;
  for (auto const& [key, totals] : rollup)
    table[fmt::format("{} {} {} {} {}", key.daily ? "1d" : "15m", format_time_ms(key.bucket_start_ms), key.domain,
                      key.provider, key.model)] = row_of(totals);
  return table;
}

}  // namespace

TEST_CASE("a call is in its quarter of an hour and its day: of all, of its domain, of its model") {
  auto call = a_call();
  call.search_calls = 2;
  call.search_zero_results = 1;
  std::vector<Item> const items{item_of(call, "2026-11-20T12:14:59.999Z"),
                                item_of(call, "2026-11-20T12:15:00Z", false)};
  Rollups const rollups{read_all(items)};
  auto const first = "1 0 400 50 90000 1200 2 1 [71:71]={1}";
  auto const second = "1 1 400 50 90000 1200 2 1 [71:71]={1}";
  auto const both = "2 1 800 100 180000 2400 4 2 [71:71]={2}";
  CHECK(table_of(rollups.all()) == std::map<std::string, std::string>{{"15m 2026-11-20T12:00:00Z   ", first},
                                                                      {"15m 2026-11-20T12:15:00Z   ", second},
                                                                      {"1d 2026-11-20T00:00:00Z   ", both}});
  CHECK(table_of(rollups.by_domain()) ==
        std::map<std::string, std::string>{{"15m 2026-11-20T12:00:00Z shop.example  ", first},
                                           {"15m 2026-11-20T12:15:00Z shop.example  ", second},
                                           {"1d 2026-11-20T00:00:00Z shop.example  ", both}});
  CHECK(table_of(rollups.by_model()) ==
        std::map<std::string, std::string>{{"15m 2026-11-20T12:00:00Z shop.example openai gpt-4o-mini", first},
                                           {"15m 2026-11-20T12:15:00Z shop.example openai gpt-4o-mini", second},
                                           {"1d 2026-11-20T00:00:00Z shop.example openai gpt-4o-mini", both}});
}

TEST_CASE("the order of calls makes no difference, and every table has the same sums") {
  std::mt19937 random{20261120};
  auto const items = some_items(random, 2'000);
  Rollups const rollups{read_all(items)};
  auto disordered = items;
  std::shuffle(disordered.begin(), disordered.end(), random);
  Rollups const shuffled{read_all(disordered)};
  CHECK(table_of(rollups.all()) == table_of(shuffled.all()));
  CHECK(table_of(rollups.by_domain()) == table_of(shuffled.by_domain()));
  CHECK(table_of(rollups.by_model()) == table_of(shuffled.by_model()));
  for (auto const daily : {false, true}) {
    std::vector<std::string> sums;
    for (auto const* const table : {&rollups.all(), &rollups.by_domain(), &rollups.by_model()}) {
      Totals sum;
      for (auto const& [key, totals] : *table)
        if (key.daily == daily) sum.add(totals);
      sums.push_back(row_of(sum));
    }
    CHECK(sums[0].starts_with("2000 "));
    CHECK(sums[0] == sums[1]);
    CHECK(sums[0] == sums[2]);
  }
}
