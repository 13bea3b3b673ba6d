#include "observability/metrics.hpp"

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>

#include <doctest/doctest.h>
#include <unistd.h>

using omnibus::Metric;
using omnibus::metric_table;
using omnibus::MetricKind;
using omnibus::Metrics;

namespace {

bool has_line(std::string const& text, std::string const& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

template <Metric metric, std::size_t... labels>
void touch_labelled(Metrics& metrics, std::index_sequence<labels...>) {
  constexpr auto kind = omnibus::definition(metric).kind;
  constexpr std::array<std::string_view, 4> values{"a", "b", "c", "d"};
  if constexpr (kind == MetricKind::counter) metrics.counter<metric>(values[labels]...).add();
  if constexpr (kind == MetricKind::gauge) metrics.gauge<metric>(values[labels]...).set(1);
  if constexpr (kind == MetricKind::histogram) metrics.histogram<metric>(values[labels]...).observe(1);
}

template <std::size_t... all>
void touch_all(Metrics& metrics, std::index_sequence<all...>) {
  (touch_labelled<static_cast<Metric>(all)>(metrics, std::make_index_sequence<metric_table[all].label_count()>()), ...);
}

}  // namespace

TEST_CASE("a counter, a gauge and a histogram show what they were told") {
  Metrics metrics;
  auto const handled = metrics.counter<Metric::events>("handled");
  handled.add();
  handled.add(2);
  metrics.gauge<Metric::in_flight>().set(5);
  metrics.histogram<Metric::llm_tokens>("chat", "openai", "small", "input").observe(100);
  auto const text = metrics.exposition();
  CHECK(has_line(text, R"(omnibus_events_total{outcome="handled"} 3)"));
  CHECK(has_line(text, "# TYPE omnibus_events_total counter"));
  CHECK(has_line(text, "omnibus_events_in_flight 5"));
  CHECK(text.find("gen_ai_client_token_usage_bucket{") != std::string::npos);
  CHECK(text.find("gen_ai_token_type=\"input\"") != std::string::npos);
}

TEST_CASE("the same labels are the same series") {
  Metrics metrics;
  metrics.counter<Metric::events>("handled").add();
  metrics.counter<Metric::events>("handled").add();
  CHECK(metrics.counter<Metric::events>("handled").value() == 2);
  CHECK(metrics.counter<Metric::events>("duplicate").value() == 0);
}

TEST_CASE("local counters of several threads are folded into one series, once each") {
  Metrics metrics;
  auto& first = metrics.local_counter<Metric::events>("handled");
  auto& second = metrics.local_counter<Metric::events>("handled");
  {
    std::jthread const a([&] {
      for (int i = 0; i < 1000; ++i) first.add();
    });
    std::jthread const b([&] {
      for (int i = 0; i < 1000; ++i) second.add(2);
    });
    for (int i = 0; i < 20; ++i) metrics.exposition();
  }
  CHECK(has_line(metrics.exposition(), R"(omnibus_events_total{outcome="handled"} 3000)"));
  CHECK(has_line(metrics.exposition(), R"(omnibus_events_total{outcome="handled"} 3000)"));
}

TEST_CASE("a local histogram puts each value where a shared one does") {
  Metrics metrics;
  Metrics reference;
  auto& local = metrics.local_histogram<Metric::handler_duration>();
  auto const shared = reference.histogram<Metric::handler_duration>();
  for (double const seconds : {0.0, 0.0001, 0.00011, 0.5, 59.0, 61.0}) {
    local.observe(seconds);
    shared.observe(seconds);
    CHECK(metrics.exposition() == reference.exposition());
  }
}

TEST_CASE("a collect hook sets its gauge at each reading until it is destroyed") {
  Metrics metrics;
  int readings = 0;
  auto const paused = metrics.gauge<Metric::paused>();
  {
    Metrics::Hook hook;
    hook = metrics.on_collect([&] { paused.set(++readings); });
    CHECK(has_line(metrics.exposition(), "omnibus_paused_partitions 1"));
    CHECK(has_line(metrics.exposition(), "omnibus_paused_partitions 2"));
  }
  metrics.exposition();
  CHECK(readings == 2);
}

TEST_CASE("promtool finds nothing to object to in any metric of the table") {
  Metrics metrics;
  touch_all(metrics, std::make_index_sequence<metric_table.size()>());
  auto const text = metrics.exposition();
  for (auto const& metric : metric_table) {
    CAPTURE(metric.name);
    CHECK(text.find("# HELP " + std::string(metric.name) + " ") != std::string::npos);
  }
  auto const file = std::filesystem::temp_directory_path() / ("omnibus_metrics_" + std::to_string(getpid()) + ".txt");
  std::ofstream(file) << text;
  auto const command = "promtool check metrics < " + file.string() + " 2>&1";
  auto* const pipe = popen(command.c_str(), "r");
  REQUIRE(pipe != nullptr);
  std::string output;
  for (std::array<char, 512> buffer; std::fgets(buffer.data(), buffer.size(), pipe) != nullptr;)
    output += buffer.data();
  auto const status = pclose(pipe);
  std::filesystem::remove(file);
  CHECK(output == "");
  CHECK(status == 0);
}
