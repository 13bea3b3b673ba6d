/// Every metric of Omnibus, declared once: its name, kind, help, labels and buckets.
///
/// Names follow Prometheus: prefix `omnibus_`, base units, `_total` on counters; the `gen_ai_` ones are
/// OpenTelemetry's. No label may have unbounded values (never a conversation, a key, a phone number). Consumer lag is
/// not here: tools such as kminion export it.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace omnibus {

enum class MetricKind : std::uint8_t { counter, gauge, histogram };

enum class Metric : std::uint8_t {
  build_info,
  log_lines_dropped,
  // engine
  in_flight,
  queued_bytes,
  working_bytes,
  events,
  retries,
  deferrals,
  deferred_records,
  deferred_oldest,
  dead_letters,
  oldest_unprocessed,
  stuck_keys,
  records_missed,
  tombstones,
  handler_duration,
  commit_lag,
  paused,
  // database
  database_transaction_duration,
  outbox_unpublished,
  outbox_refused,
  // schedules
  scheduler_active,
  ticks,
  ticks_missed,
  // model calls
  llm_duration,
  llm_tokens,
  llm_odd_answers,
  // outcomes of agents' conversations
  outcome_predictions,
  // conversations across channels
  sessions_last_channel,
  session_duration,
  // matches and conversations of agents
  processing_duration,
  conversations_active,
  // resilience
  breaker_state,
  breaker_transitions,
  // messages to people
  notifications,
  notifications_limited,
  sms_response,
  replies_withheld,
  // matches of people
  matches_analyzed,
  match_opportunity_score,
  match_analysis_failures,
  // gateway
  http_requests,
  http_request_duration,
  http_connections,
  sse_streams,
  webhook_events,
  webhook_refusals,
  rate_limited,
};

/// The fixed strings of one metric.
struct MetricDefinition {
  Metric id;
  std::string_view name;
  MetricKind kind;
  std::string_view help;
  std::array<std::string_view, 4> labels{};  ///< unused ones are empty
  std::span<double const> buckets{};

  constexpr std::size_t label_count() const {
    std::size_t count = 0;
    while (count < labels.size() && !labels[count].empty()) ++count;
    return count;
  }
};

namespace detail {
inline constexpr std::array work_seconds{0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05,
                                         0.1,    0.25,    0.5,    1.0,   2.5,    5.0,   10.0, 30.0,  60.0};
inline constexpr std::array session_seconds{10.0,   60.0,    300.0,   900.0,   1800.0, 3600.0,
                                            7200.0, 14400.0, 28800.0, 57600.0, 86400.0};
inline constexpr std::array tenths{0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0};
/// The buckets OpenTelemetry's GenAI conventions prescribe.
inline constexpr std::array llm_seconds{0.01, 0.02, 0.04, 0.08,  0.16,  0.32,  0.64,
                                        1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92};
inline constexpr std::array llm_token_counts{1.0,     4.0,     16.0,     64.0,      256.0,     1024.0,     4096.0,
                                             16384.0, 65536.0, 262144.0, 1048576.0, 4194304.0, 16777216.0, 67108864.0};
}  // namespace detail

/// In the order of `Metric`.
inline constexpr std::array metric_table{
    MetricDefinition{Metric::build_info,
                     "omnibus_build_info",
                     MetricKind::gauge,
                     "Always 1; says which worker and version this process is.",
                     {"worker", "version"}},
    MetricDefinition{Metric::log_lines_dropped, "omnibus_log_lines_dropped_total", MetricKind::counter,
                     "Log lines that were not written because stdout was not read in time."},
    MetricDefinition{Metric::in_flight, "omnibus_events_in_flight", MetricKind::gauge,
                     "Events a handler has begun and not yet ended."},
    MetricDefinition{Metric::queued_bytes, "omnibus_queued_bytes", MetricKind::gauge,
                     "Bytes of events fetched from the broker and not yet ended."},
    MetricDefinition{Metric::working_bytes, "omnibus_working_bytes", MetricKind::gauge,
                     "Bytes that handlers hold beside their events: prompts, and answers as long as they may be."},
    MetricDefinition{Metric::events,
                     "omnibus_events_total",
                     MetricKind::counter,
                     "Events ended, by outcome: handled, duplicate, skipped, erased, dead_lettered or fenced.",
                     {"outcome"}},
    MetricDefinition{Metric::retries, "omnibus_retries_total", MetricKind::counter,
                     "Attempts scheduled again after a transient failure."},
    MetricDefinition{Metric::deferrals, "omnibus_deferrals_total", MetricKind::counter,
                     "Attempts put off because of something that is no fault of the event's, such as a provider away."},
    MetricDefinition{Metric::deferred_records, "omnibus_deferred_records", MetricKind::gauge,
                     "Events that wait in the database because they, or an earlier one of their key, were put off for "
                     "long."},
    MetricDefinition{Metric::deferred_oldest, "omnibus_deferred_oldest_seconds", MetricKind::gauge,
                     "Age of the oldest event that waits in the database; 0 when none does."},
    MetricDefinition{Metric::dead_letters,
                     "omnibus_dead_letters_total",
                     MetricKind::counter,
                     "Events parked on a dead-letter topic, by reason: malformed, permanent or exhausted.",
                     {"reason"}},
    MetricDefinition{Metric::oldest_unprocessed, "omnibus_oldest_unprocessed_seconds", MetricKind::gauge,
                     "Age of the oldest event fetched and not yet ended; 0 when there is none."},
    MetricDefinition{Metric::stuck_keys, "omnibus_stuck_keys", MetricKind::gauge,
                     "Keys whose first event waits for a retry."},
    MetricDefinition{Metric::records_missed,
                     "omnibus_records_missed_total",
                     MetricKind::counter,
                     "Records that were removed from their topic before they were handled, by topic.",
                     {"topic"}},
    MetricDefinition{Metric::tombstones, "omnibus_tombstones_total", MetricKind::counter,
                     "Records without a value that were passed over."},
    MetricDefinition{Metric::handler_duration,
                     "omnibus_handler_duration_seconds",
                     MetricKind::histogram,
                     "Time one attempt of a handler took.",
                     {},
                     detail::work_seconds},
    MetricDefinition{Metric::commit_lag, "omnibus_uncommitted_events", MetricKind::gauge,
                     "Events between the committed offsets and the newest one fetched, over all partitions assigned."},
    MetricDefinition{Metric::paused, "omnibus_paused_partitions", MetricKind::gauge,
                     "Partitions paused because of an outage or of back-pressure."},
    MetricDefinition{Metric::database_transaction_duration,
                     "omnibus_database_transaction_duration_seconds",
                     MetricKind::histogram,
                     "Time of one database transaction, by outcome: committed, failed or in_doubt.",
                     {"outcome"},
                     detail::work_seconds},
    MetricDefinition{Metric::outbox_unpublished, "omnibus_outbox_unpublished", MetricKind::gauge,
                     "Outbox rows that are committed and not yet published."},
    MetricDefinition{Metric::outbox_refused, "omnibus_outbox_refused_total", MetricKind::counter,
                     "Outbox rows set aside because the broker refuses them: too large, topic missing or not allowed."},
    MetricDefinition{Metric::scheduler_active, "omnibus_scheduler_active", MetricKind::gauge,
                     "1 for the scheduler that ticks, 0 for one that stands by."},
    MetricDefinition{Metric::ticks,
                     "omnibus_ticks_total",
                     MetricKind::counter,
                     "Ticks written for publishing, by schedule.",
                     {"schedule"}},
    MetricDefinition{Metric::ticks_missed,
                     "omnibus_ticks_missed_total",
                     MetricKind::counter,
                     "Due times that passed without a tick, by schedule: a later tick stands for them.",
                     {"schedule"}},
    MetricDefinition{Metric::llm_duration,
                     "gen_ai_client_operation_duration_seconds",
                     MetricKind::histogram,
                     "Time of one call of a model, by operation, provider, model and error type (empty on success).",
                     {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "error_type"},
                     detail::llm_seconds},
    MetricDefinition{Metric::llm_tokens,
                     "gen_ai_client_token_usage",
                     MetricKind::histogram,
                     "Tokens of one call of a model, input or output.",
                     {"gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_token_type"},
                     detail::llm_token_counts},
    MetricDefinition{
        Metric::llm_odd_answers,
        "omnibus_llm_odd_answers_total",
        MetricKind::counter,
        "Oddities in answers of models, by kind: not_json, cut, too_large, silent, endless, error, "
        "no_words, too_many_calls and tool_arguments cost the answer or a part of it; call_id, call_in_text, usage, "
        "unicode, label and left_open were understood.",
        {"kind"}},
    MetricDefinition{Metric::outcome_predictions,
                     "outcome_prediction_total",
                     MetricKind::counter,
                     "Judged conversations, by what was predicted and what came of them.",
                     {"predicted", "actual"}},
    MetricDefinition{Metric::sessions_last_channel,
                     "sessions_last_channel_total",
                     MetricKind::counter,
                     "Messages received and calls ended, by their channel, which is then their session's last one.",
                     {"channel"}},
    MetricDefinition{Metric::session_duration,
                     "session_duration_seconds",
                     MetricKind::histogram,
                     "Age of a session across channels when its assistant closed it or it expired.",
                     {},
                     detail::session_seconds},
    MetricDefinition{Metric::processing_duration,
                     "processing_duration_seconds",
                     MetricKind::histogram,
                     "Time from an event's arrival in the process to its commit, in the workers of matches, by action.",
                     {"action"},
                     detail::work_seconds},
    MetricDefinition{Metric::conversations_active, "conversations_active", MetricKind::gauge,
                     "Conversations of agents that run in all processes: every process shows the same number."},
    MetricDefinition{Metric::breaker_state,
                     "omnibus_circuit_breaker_state",
                     MetricKind::gauge,
                     "State of a circuit breaker: 0 closed, 1 half open, 2 open.",
                     {"breaker"}},
    MetricDefinition{Metric::breaker_transitions,
                     "omnibus_circuit_breaker_transitions_total",
                     MetricKind::counter,
                     "Changes of a circuit breaker's state, by the state entered.",
                     {"breaker", "to"}},
    MetricDefinition{
        Metric::notifications,
        "notifications_total",
        MetricKind::counter,
        "Messages to people, by channel and what became of them: sent, delivered, read, failed, skipped or "
        "in_doubt.",
        {"channel", "status"}},
    MetricDefinition{
        Metric::notifications_limited,
        "omnibus_notifications_limited_total",
        MetricKind::counter,
        "Messages that were skipped because of a limit against spending, by channel and reason: spend_cap, "
        "country_not_allowed, person_limit or summary_limit.",
        {"channel", "reason"}},
    MetricDefinition{Metric::sms_response,
                     "sms_response_seconds",
                     MetricKind::histogram,
                     "Time from an SMS's arrival until a provider took the reply to it.",
                     {},
                     detail::work_seconds},
    MetricDefinition{Metric::replies_withheld, "omnibus_replies_withheld_total", MetricKind::counter,
                     "Messages that were not answered because their person had REPLIES_PER_HOUR answers already."},
    MetricDefinition{Metric::matches_analyzed,
                     "matches_analyzed_total",
                     MetricKind::counter,
                     "Pairs of people analysed, by predicted outcome.",
                     {"outcome"}},
    MetricDefinition{Metric::match_opportunity_score,
                     "match_opportunity_score",
                     MetricKind::histogram,
                     "Opportunity scores of pairs analysed, 0 to 1.",
                     {},
                     detail::tenths},
    MetricDefinition{Metric::match_analysis_failures, "match_analysis_failures_total", MetricKind::counter,
                     "Pairs that could not be analysed."},
    MetricDefinition{Metric::http_requests,
                     "omnibus_http_requests_total",
                     MetricKind::counter,
                     "HTTP requests answered, by method, route and status.",
                     {"method", "route", "status"}},
    MetricDefinition{Metric::http_request_duration,
                     "omnibus_http_request_duration_seconds",
                     MetricKind::histogram,
                     "Time from a request's first byte to the end of its answer, by route; streams excluded.",
                     {"route"},
                     detail::work_seconds},
    MetricDefinition{Metric::http_connections, "omnibus_http_connections", MetricKind::gauge, "HTTP connections open."},
    MetricDefinition{Metric::sse_streams, "omnibus_sse_streams", MetricKind::gauge,
                     "Streams of server-sent events open."},
    MetricDefinition{Metric::webhook_events,
                     "omnibus_webhook_events_total",
                     MetricKind::counter,
                     "What webhooks told, by webhook and outcome: published, repeated or passed_over.",
                     {"webhook", "outcome"}},
    MetricDefinition{Metric::webhook_refusals,
                     "omnibus_webhook_refusals_total",
                     MetricKind::counter,
                     "Requests of webhooks refused before they were read, by reason: not_served, unknown_number, or "
                     "what was wrong with "
                     "the signature.",
                     {"webhook", "reason"}},
    MetricDefinition{Metric::rate_limited, "omnibus_rate_limited_total", MetricKind::counter,
                     "Requests refused with 429."},
};

constexpr MetricDefinition const& definition(Metric metric) {
  return metric_table[static_cast<std::size_t>(metric)];
}

static_assert(
    [] {
      for (std::size_t i = 0; i < metric_table.size(); ++i) {
        if (static_cast<std::size_t>(metric_table[i].id) != i) return false;
      }
      return metric_table.size() == static_cast<std::size_t>(Metric::rate_limited) + 1;
    }(),
    "metric_table lists the metrics in the order of Metric");

}  // namespace omnibus
