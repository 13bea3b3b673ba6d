#include "workers/cli/terminal/chart.hpp"

#include "workers/cli/telemetry/telemetry_view.hpp"

#include <cmath>
#include <sstream>

#include <doctest/doctest.h>
#include <fmt/format.h>

using namespace omnibus;
using namespace omnibus::cli;

namespace {

using Lines = std::vector<std::string>;

std::string number(double value) {
  return std::to_string(std::lround(value));
}

Lines lines_of(std::string const& text) {
  Lines lines;
  std::istringstream in{text};
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

rollups::Report a_report() {
  rollups::Report report;
  report.from = "2026-11-18T00:00:00Z";
  report.to = "2026-11-19T00:00:00Z";
  report.granularity = "1h";
  for (int hour = 0; hour < 24; ++hour) {
    rollups::Bucket bucket;
    bucket.start = fmt::format("2026-11-18T{:02}:00:00Z", hour);
    bucket.calls = hour * 1000;
    bucket.cost_usd = "1.500000000";
    report.trend.push_back(bucket);
  }
  report.totals.calls = 276'000;
  report.totals.latency_ms = rollups::Latency{800.4, 1'900, 2'400, 12'000};
  report.totals.cost_usd = "36.000000000";
  rollups::ModelSums model;
  model.provider = "openai";
  model.model = "gpt\x1b[2J-\xc3\xa9-4o-mini";
  model.calls = 276'000;
  model.cost_usd = "36.000000000";
  report.models.push_back(model);
  report.projection = {"1.500000000", "1080.000000000"};
  report.freshness = {{"15m", "2026-11-18T23:59:00Z", false}, {"1d", std::nullopt, true}};
  return report;
}

}  // namespace

TEST_CASE("a chart has a column for each value, as high as the value is") {
  CHECK(column_chart({0, 1, 4, 8}, Merge::sum, 8, 2, Ink::blocks, number) == Lines{"8 │   █", "  │ ▂██", "0 └────"});
  CHECK(column_chart({0, 1, 4, 8}, Merge::sum, 8, 2, Ink::ascii, number) == Lines{"8 |   #", "  | ###", "0 +----"});
}

TEST_CASE("a chart has wider columns when there is room, and shared ones when there is none") {
  auto const wide = column_chart({2, 2}, Merge::sum, 12, 1, Ink::blocks, number);
  CHECK(wide == Lines{"2 │███ ███", "0 └────────"});
  CHECK(column_chart({1, 2, 3, 4, 5}, Merge::sum, 6, 1, Ink::ascii, number) == Lines{"7 |###", "0 +---"});
  CHECK(column_chart({1, 2, 3, 4, 5}, Merge::highest, 6, 1, Ink::ascii, number)[0] == "5 |###");
}

TEST_CASE("a chart of nothing is empty or flat") {
  CHECK(column_chart({}, Merge::sum, 80, 8, Ink::blocks, number).empty());
  CHECK(column_chart({0, 0, 0}, Merge::sum, 7, 1, Ink::blocks, number) == Lines{"0 │", "0 └───"});
  CHECK(!column_chart({1, 2, 3}, Merge::sum, 0, 3, Ink::blocks, number).empty());
}

TEST_CASE("the least value that is not nothing is seen") {
  CHECK(column_chart({1, 1'000'000}, Merge::sum, 11, 2, Ink::blocks, number)[1].find("▁") != std::string::npos);
}

TEST_CASE("names are cut to their place and cannot move the cursor") {
  CHECK(fitted("gpt-4o", 10) == "gpt-4o");
  CHECK(fitted("gpt-4o-mini", 6) == "gpt-4~");
  CHECK(fitted("a\x1b[31m\n\xc3\xa9", 20) == "a?[31m???");
  CHECK(with_separators(0) == "0");
  CHECK(with_separators(999) == "999");
  CHECK(with_separators(1'234'567) == "1,234,567");
  CHECK(with_separators(-123'456) == "-123,456");
}

TEST_CASE("a report fits into every terminal, and says the same in all of them") {
  for (auto const width : {20U, 33U, 60U, 80U, 200U}) {
    for (auto const ink : {Ink::blocks, Ink::ascii}) {
      for (auto const measure : {Measure::calls, Measure::errors, Measure::tokens, Measure::cost, Measure::p95}) {
        auto const view = view_of(a_report(), measure, width, ink);
        CHECK(view.find('\x1b') == std::string::npos);
        CHECK(view.find("276,000 calls") != std::string::npos);
        CHECK(view.find("STALE") != std::string::npos);
        for (auto const& line : lines_of(view)) {
          CAPTURE(line);
          // A piece that is longer than a very narrow line stands on its own.
          CHECK((width < 60 || display_width(line) <= width));
          if (ink == Ink::ascii) CHECK(line.find("\xe2") == std::string::npos);
        }
      }
    }
  }
}
