#include "assistant/call_metrics.hpp"

namespace omnibus::assistant {

void CallMetrics::observe(LlmCall const& call, std::string_view error_type) {
  auto& metrics = Metrics::process();
  auto& series = models_[call.request_model];
  auto duration = series.durations.find(error_type);
  if (duration == series.durations.end()) {
    auto const histogram =
        metrics.histogram<Metric::llm_duration>(call.operation, call.provider, call.request_model, error_type);
    duration = series.durations.emplace(error_type, histogram).first;
  }
  duration->second.observe(static_cast<double>(call.duration_ms) / 1000);
  if (call.input_tokens == 0) return;  // no answer began
  if (!series.input) {
    auto const tokens = [&](std::string_view kind) {
      return metrics.histogram<Metric::llm_tokens>(call.operation, call.provider, call.request_model, kind);
    };
    series.input = tokens("input");
    series.output = tokens("output");
  }
  series.input->observe(static_cast<double>(call.input_tokens));
  series.output->observe(static_cast<double>(call.output_tokens));
}

}  // namespace omnibus::assistant
