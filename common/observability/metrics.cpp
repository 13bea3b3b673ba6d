#include "observability/metrics.hpp"

#include <map>
#include <mutex>
#include <utility>

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

namespace omnibus {

void Counter::add(double amount) const {
  series_->Increment(amount);
}
double Counter::value() const {
  return series_->Value();
}
void Gauge::set(double value) const {
  series_->Set(value);
}
void Gauge::add(double amount) const {
  series_->Increment(amount);
}
double Gauge::value() const {
  return series_->Value();
}
void Histogram::observe(double value) const {
  series_->Observe(value);
}

namespace {

prometheus::Labels labels_of(MetricDefinition const& metric, std::initializer_list<std::string_view> values) {
  prometheus::Labels labels;
  auto name = metric.labels.begin();
  for (auto const value : values) labels.emplace(std::string(*name++), std::string(value));
  return labels;
}

/// A local counter and the part of it that its series already has.
struct FoldedCounter {
  prometheus::Counter& series;
  LocalCounter local{};
  std::uint64_t folded = 0;

  void fold() {
    auto const total = local.total();
    series.Increment(static_cast<double>(total - folded));
    folded = total;
  }
};

struct FoldedHistogram {
  FoldedHistogram(prometheus::Histogram& to, std::span<double const> buckets)
      : series(to), local(buckets), folded(buckets.size() + 1) {}

  prometheus::Histogram& series;
  LocalHistogram local;
  std::vector<std::uint64_t> folded;
  double folded_sum = 0;

  void fold() {
    std::vector<double> increments(folded.size());
    auto const counts = local.counts();
    for (std::size_t i = 0; i < folded.size(); ++i) {
      auto const total = counts[i].total();
      increments[i] = static_cast<double>(total - folded[i]);
      folded[i] = total;
    }
    auto const sum = local.sum();
    series.ObserveMultiple(increments, sum - folded_sum);
    folded_sum = sum;
  }
};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;  // thread-safe by itself

  std::mutex mutex;  // guards all below, and is held while hooks run
  std::map<std::uint64_t, std::function<void()>> hooks;
  std::uint64_t last_hook = 0;
  std::vector<std::unique_ptr<FoldedCounter>> counters;
  std::vector<std::unique_ptr<FoldedHistogram>> histograms;
};

Metrics::Metrics() : state_(std::make_unique<State>()) {}
Metrics::~Metrics() = default;

Metrics& Metrics::process() {
  static auto* const instance = new Metrics;
  return *instance;
}

prometheus::Counter& Metrics::add_counter(MetricDefinition const& metric, LabelValues values) {
  auto& family = prometheus::BuildCounter()
                     .Name(std::string(metric.name))
                     .Help(std::string(metric.help))
                     .Register(state_->registry);
  return family.Add(labels_of(metric, values));
}

prometheus::Gauge& Metrics::add_gauge(MetricDefinition const& metric, LabelValues values) {
  auto& family =
      prometheus::BuildGauge().Name(std::string(metric.name)).Help(std::string(metric.help)).Register(state_->registry);
  return family.Add(labels_of(metric, values));
}

prometheus::Histogram& Metrics::add_histogram(MetricDefinition const& metric, LabelValues values) {
  auto& family = prometheus::BuildHistogram()
                     .Name(std::string(metric.name))
                     .Help(std::string(metric.help))
                     .Register(state_->registry);
  return family.Add(labels_of(metric, values),
                    prometheus::Histogram::BucketBoundaries(metric.buckets.begin(), metric.buckets.end()));
}

LocalCounter& Metrics::add_local_counter(MetricDefinition const& metric, LabelValues values) {
  auto& series = add_counter(metric, values);
  std::scoped_lock const lock(state_->mutex);
  return state_->counters.emplace_back(new FoldedCounter{.series = series})->local;
}

LocalHistogram& Metrics::add_local_histogram(MetricDefinition const& metric, LabelValues values) {
  auto& series = add_histogram(metric, values);
  std::scoped_lock const lock(state_->mutex);
  return state_->histograms.emplace_back(std::make_unique<FoldedHistogram>(series, metric.buckets))->local;
}

Metrics::Hook Metrics::on_collect(std::function<void()> hook) {
  std::scoped_lock const lock(state_->mutex);
  auto const id = ++state_->last_hook;
  state_->hooks.emplace(id, std::move(hook));
  return {*this, id};
}

Metrics::Hook::Hook(Hook&& other) noexcept : owner_(std::exchange(other.owner_, nullptr)), id_(other.id_) {}

Metrics::Hook& Metrics::Hook::operator=(Hook&& other) noexcept {
  std::swap(owner_, other.owner_);
  std::swap(id_, other.id_);
  return *this;
}

Metrics::Hook::~Hook() {
  if (owner_ == nullptr) return;
  std::scoped_lock const lock(owner_->state_->mutex);
  owner_->state_->hooks.erase(id_);
}

std::string Metrics::exposition() {
  {
    std::scoped_lock const lock(state_->mutex);
    for (auto const& [id, hook] : state_->hooks) hook();
    for (auto const& counter : state_->counters) counter->fold();
    for (auto const& histogram : state_->histograms) histogram->fold();
  }
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

std::string exposition() {
  return Metrics::process().exposition();
}

}  // namespace omnibus
