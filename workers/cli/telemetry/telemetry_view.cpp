#include "workers/cli/telemetry/telemetry_view.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

using rollups::Sums;

constexpr std::size_t chart_height = 8;
constexpr std::size_t narrowest_name = 12;

double as_number(std::string const& decimal) {
  return std::strtod(decimal.c_str(), nullptr);
}

/// Dollars with as many decimals as are useful: at least two, more for small amounts.
std::string dollars(double usd) {
  if (usd != 0 && std::abs(usd) < 0.01) return fmt::format("${:.6f}", usd);
  if (std::abs(usd) < 10) return fmt::format("${:.4f}", usd);
  auto const cents = std::llround(usd * 100);
  return fmt::format("${}.{:02}", with_separators(cents / 100), cents % 100);
}

std::string milliseconds(double ms) {
  return with_separators(std::llround(ms)) + " ms";
}
std::string whole_number(double number) {
  return with_separators(std::llround(number));
}

std::string count(std::int64_t number, std::string_view noun) {
  return fmt::format("{} {}{}", with_separators(number), noun, number == 1 ? "" : "s");
}

std::string_view name_of(Measure measure) {
  switch (measure) {
    case Measure::calls:
      return "calls";
    case Measure::errors:
      return "errors";
    case Measure::tokens:
      return "tokens in and out";
    case Measure::cost:
      return "cost";
    case Measure::p95:
      return "latency, 95th percentile";
  }
  return "";
}

double value_of(Sums const& sums, Measure measure) {
  switch (measure) {
    case Measure::calls:
      return static_cast<double>(sums.calls);
    case Measure::errors:
      return static_cast<double>(sums.errors);
    case Measure::tokens:
      return static_cast<double>(sums.input_tokens + sums.output_tokens);
    case Measure::cost:
      return as_number(sums.cost_usd);
    case Measure::p95:
      return sums.latency_ms ? sums.latency_ms->p95 : 0;
  }
  return 0;
}

/// 2026-11-20T12:15:00Z as "11-20 12:15", or "2026-11-20" of a day.
std::string short_time(std::string const& time, std::string_view granularity) {
  return granularity == "1d" ? time.substr(0, 10) : time.substr(5, 5) + ' ' + time.substr(11, 5);
}

/// "2026-11-20 12:00"
std::string long_time(std::string const& time) {
  return time.substr(0, 10) + ' ' + time.substr(11, 5);
}

/// Words in lines of the width, all of them indented.
void append_wrapped(std::string& out, std::vector<std::string> const& pieces, std::size_t width) {
  std::string line;
  auto const flush = [&] {
    if (!line.empty()) out += "  " + line + '\n';
    line.clear();
  };
  for (auto const& piece : pieces) {
    if (!line.empty() && display_width(line) + display_width(piece) + 4 > width) flush();
    line += (line.empty() ? "" : "  ") + piece;
  }
  flush();
}

struct Column {
  std::string_view title;
  std::string (*text)(Sums const&);
};

Column const shown_columns[] = {
    {"calls", [](Sums const& sums) { return with_separators(sums.calls); }},
    {"cost", [](Sums const& sums) { return dollars(as_number(sums.cost_usd)); }},
    {"tokens in", [](Sums const& sums) { return with_separators(sums.input_tokens); }},
    {"tokens out", [](Sums const& sums) { return with_separators(sums.output_tokens); }},
    {"p95", [](Sums const& sums) { return sums.latency_ms ? milliseconds(sums.latency_ms->p95) : std::string{"-"}; }},
    {"errors", [](Sums const& sums) { return with_separators(sums.errors); }},
    {"p50", [](Sums const& sums) { return sums.latency_ms ? milliseconds(sums.latency_ms->p50) : std::string{"-"}; }},
};

struct Line {
  std::string name;
  Sums const* sums;
};

void append_table(std::string& out, std::string_view title, std::vector<Line> const& lines, std::size_t width) {
  if (lines.empty()) return;
  auto name_width = title.size();
  for (auto const& line : lines) name_width = std::max(name_width, line.name.size());
  name_width = std::min(name_width, std::max(narrowest_name, width / 3));
  auto used = name_width + 2;
  std::vector<std::pair<Column const*, std::size_t>> shown;
  for (auto const& column : shown_columns) {
    auto needed = column.title.size();
    for (auto const& line : lines) needed = std::max(needed, column.text(*line.sums).size());
    if (used + needed + 2 > width) break;
    used += needed + 2;
    shown.emplace_back(&column, needed);
  }
  out += fmt::format("\n  {:<{}}", title, name_width);
  for (auto const& [column, needed] : shown) out += fmt::format("  {:>{}}", column->title, needed);
  out += '\n';
  for (auto const& line : lines) {
    out += fmt::format("  {:<{}}", fitted(line.name, name_width), name_width);
    for (auto const& [column, needed] : shown) out += fmt::format("  {:>{}}", column->text(*line.sums), needed);
    out += '\n';
  }
}

void append_trend(std::string& out, rollups::Report const& report, Measure measure, std::size_t width, Ink ink) {
  std::vector<double> values;
  for (auto const& bucket : report.trend) values.push_back(value_of(bucket, measure));
  auto const label = measure == Measure::cost ? dollars : measure == Measure::p95 ? milliseconds : whole_number;
  auto const chart =
      column_chart(values, measure == Measure::p95 ? Merge::highest : Merge::sum, width - 2, chart_height, ink, label);
  out += fmt::format("\n  {}\n", name_of(measure));
  for (auto const& line : chart) out += "  " + line + '\n';
  if (chart.empty()) return;
  // Under the base line's ends.
  auto const first = short_time(report.trend.front().start, report.granularity);
  auto const last = short_time(report.trend.back().start, report.granularity);
  auto const full = display_width(chart.back());
  auto const begin = chart.back().find(ink == Ink::blocks ? "└" : "+");
  if (full >= begin + first.size() + last.size() + 2)
    out += fmt::format("  {:{}}{}{:>{}}\n", "", begin, first, last, full - begin - first.size());
  else
    out += fmt::format("  {} to {}\n", first, last);
}

}  // namespace

std::string view_of(rollups::Report const& report, Measure measure, std::size_t width, Ink ink) {
  auto const& totals = report.totals;
  std::string out;
  append_wrapped(out,
                 {fmt::format("calls of {}", report.model ? fitted(*report.model, 60) : "all models"),
                  fmt::format("for {}", report.domain ? fitted(*report.domain, 60) : "all domains"),
                  fmt::format("from {}", long_time(report.from)), fmt::format("to {} UTC", long_time(report.to)),
                  fmt::format("by {}", report.granularity)},
                 width);
  out += '\n';
  append_wrapped(
      out,
      {count(totals.calls, "call"), count(totals.errors, "error"), with_separators(totals.input_tokens) + " tokens in",
       with_separators(totals.output_tokens) + " out", dollars(as_number(totals.cost_usd))},
      width);
  if (auto const& latency = totals.latency_ms)
    append_wrapped(out,
                   {"latency", "p50 " + milliseconds(latency->p50), "p90 " + milliseconds(latency->p90),
                    "p95 " + milliseconds(latency->p95), "p99 " + milliseconds(latency->p99)},
                   width);
  append_wrapped(out,
                 {count(report.live_sessions, "live session"),
                  dollars(as_number(report.projection.cost_usd_per_hour)) + " an hour",
                  dollars(as_number(report.projection.cost_usd_in_30_days)) + " in 30 days at that rate"},
                 width);
  append_trend(out, report, measure, width, ink);

  std::vector<Line> lines;
  for (auto const& model : report.models) lines.push_back({model.provider + '/' + model.model, &model});
  append_table(out, "model", lines, width);
  lines.clear();
  if (!report.domain)  // else it is the totals again
    for (auto const& domain : report.domains) lines.push_back({domain.domain, &domain});
  append_table(out, "domain", lines, width);

  out += '\n';
  std::vector<std::string> pieces;
  for (auto const& each : report.freshness)
    pieces.push_back(fmt::format("{} sums: {}{}", each.granularity,
                                 each.refreshed_at ? long_time(*each.refreshed_at) : "never written",
                                 each.stale ? ", STALE" : ""));
  append_wrapped(out, pieces, width);
  return out;
}

}  // namespace omnibus::cli
