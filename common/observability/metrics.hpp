/// Handles on the metrics of `metric_table.hpp`, and their Prometheus text form.
///
/// A handle is resolved once, by labels, and kept: `auto retries = Metrics::process().counter<Metric::retries>();`.
/// Updating one is an atomic add. If even that is too slow (the engine's hot path), a `LocalCounter` or
/// `LocalHistogram` is written by one thread with plain adds and added up when the metrics are read, and a gauge is
/// set by an `on_collect` hook only then.
#pragma once

#include "observability/metric_table.hpp"

#include <atomic>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace prometheus {
class Counter;
class Gauge;
class Histogram;
}  // namespace prometheus

namespace omnibus {

/// Only goes up. Copies refer to the same series; any thread may add.
class Counter {
 public:
  explicit Counter(prometheus::Counter& series) : series_(&series) {}
  void add(double amount = 1) const;
  double value() const;

 private:
  prometheus::Counter* series_;
};

/// Goes up and down. Copies refer to the same series; any thread may change it.
class Gauge {
 public:
  explicit Gauge(prometheus::Gauge& series) : series_(&series) {}
  void set(double value) const;
  void add(double amount) const;
  double value() const;

 private:
  prometheus::Gauge* series_;
};

/// A distribution. Copies refer to the same series; any thread may observe.
class Histogram {
 public:
  explicit Histogram(prometheus::Histogram& series) : series_(&series) {}
  void observe(double value) const;

 private:
  prometheus::Histogram* series_;
};

/// A counter of one writing thread: adding is a plain add, without a lock or an atomic read-modify-write.
class LocalCounter {
 public:
  void add(std::uint64_t amount = 1) noexcept {
    total_.store(total_.load(std::memory_order_relaxed) + amount, std::memory_order_relaxed);
  }
  std::uint64_t total() const noexcept { return total_.load(std::memory_order_relaxed); }

 private:
  std::atomic<std::uint64_t> total_{0};
};

/// A histogram of one writing thread: observing is a short search and two plain adds.
class LocalHistogram {
 public:
  explicit LocalHistogram(std::span<double const> buckets) : buckets_(buckets), counts_(buckets.size() + 1) {}
  void observe(double value) noexcept { observe_mean(value, 1); }
  /// `count` observations with a known sum: each counts as their mean.
  void observe_mean(double total, std::uint64_t count) noexcept {
    auto const mean = total / static_cast<double>(count);
    std::size_t bucket = 0;
    while (bucket < buckets_.size() && mean > buckets_[bucket]) ++bucket;
    counts_[bucket].add(count);
    sum_.store(sum_.load(std::memory_order_relaxed) + total, std::memory_order_relaxed);
  }
  std::span<LocalCounter const> counts() const noexcept { return counts_; }
  double sum() const noexcept { return sum_.load(std::memory_order_relaxed); }

 private:
  std::span<double const> buckets_;
  std::vector<LocalCounter> counts_;
  std::atomic<double> sum_{0};
};

/// All series of one process (tests make their own). Thread-safe. Handles live as long as it does.
class Metrics {
 public:
  Metrics();
  ~Metrics();
  Metrics(Metrics const&) = delete;
  Metrics& operator=(Metrics const&) = delete;

  /// The one that `/metrics` shows; never destroyed.
  static Metrics& process();

  /// The series of that metric with these label values, in the table's order. The same labels give the same series.
  template <Metric metric, std::convertible_to<std::string_view>... Labels>
  Counter counter(Labels const&... labels) {
    check<metric, MetricKind::counter, sizeof...(Labels)>();
    return Counter(add_counter(definition(metric), {std::string_view(labels)...}));
  }
  template <Metric metric, std::convertible_to<std::string_view>... Labels>
  Gauge gauge(Labels const&... labels) {
    check<metric, MetricKind::gauge, sizeof...(Labels)>();
    return Gauge(add_gauge(definition(metric), {std::string_view(labels)...}));
  }
  template <Metric metric, std::convertible_to<std::string_view>... Labels>
  Histogram histogram(Labels const&... labels) {
    check<metric, MetricKind::histogram, sizeof...(Labels)>();
    return Histogram(add_histogram(definition(metric), {std::string_view(labels)...}));
  }

  /// A counter for one writing thread, added to its series at every `exposition()`. Owned by this object.
  template <Metric metric, std::convertible_to<std::string_view>... Labels>
  LocalCounter& local_counter(Labels const&... labels) {
    check<metric, MetricKind::counter, sizeof...(Labels)>();
    return add_local_counter(definition(metric), {std::string_view(labels)...});
  }
  template <Metric metric, std::convertible_to<std::string_view>... Labels>
  LocalHistogram& local_histogram(Labels const&... labels) {
    check<metric, MetricKind::histogram, sizeof...(Labels)>();
    return add_local_histogram(definition(metric), {std::string_view(labels)...});
  }

  /// Runs a hook before each reading, on the reading thread, until it is destroyed. After its destruction the hook does
  /// not run any more. A hook must not create or destroy hooks, nor block.
  class Hook {
   public:
    Hook() = default;
    Hook(Hook&& other) noexcept;
    Hook& operator=(Hook&& other) noexcept;
    ~Hook();

   private:
    friend class Metrics;
    Hook(Metrics& owner, std::uint64_t id) : owner_(&owner), id_(id) {}
    Metrics* owner_ = nullptr;
    std::uint64_t id_ = 0;
  };
  [[nodiscard]] Hook on_collect(std::function<void()> hook);

  /// Everything in Prometheus' text format 0.0.4, after running the hooks and folding the local series.
  std::string exposition();

 private:
  using LabelValues = std::initializer_list<std::string_view>;

  template <Metric metric, MetricKind kind, std::size_t labels>
  static constexpr void check() {
    static_assert(definition(metric).kind == kind, "the metric is of another kind");
    static_assert(definition(metric).label_count() == labels, "the metric has another number of labels");
  }
  prometheus::Counter& add_counter(MetricDefinition const&, LabelValues);
  prometheus::Gauge& add_gauge(MetricDefinition const&, LabelValues);
  prometheus::Histogram& add_histogram(MetricDefinition const&, LabelValues);
  LocalCounter& add_local_counter(MetricDefinition const&, LabelValues);
  LocalHistogram& add_local_histogram(MetricDefinition const&, LabelValues);

  struct State;
  std::unique_ptr<State> state_;
};

/// The process's metrics as text: the body of `/metrics`, of this content type.
std::string exposition();
inline constexpr std::string_view exposition_content_type = "text/plain; version=0.0.4; charset=utf-8";

}  // namespace omnibus
