#include "retention/kept_tables.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::retention {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

constexpr hours day{24};
constexpr hours two_calendar_years{2 * 366 * 24};

constexpr std::string_view of_tenant = "by the tenant's retention_days";
constexpr std::string_view with_its_parent = "goes with the row that it belongs to";
constexpr std::string_view settings = "settings: a row for each thing that an operator or tenant made";
constexpr std::string_view rights = "what a person decided or asked for: goes with the person, or is the proof";
constexpr std::string_view bounded = "does not grow with time";
constexpr std::string_view aggregates = "aggregates, kept for ever: omnibus telemetry drop keeps them too";

/// Tables without an age.
constexpr std::array unaged{
    KeptTable{"pipeline.fence", Pruner::nobody, bounded},
    KeptTable{"pipeline.ledger", Pruner::nobody, "kept for ever: what a database that was restored must do again"},
    KeptTable{"pipeline.llm_prices", Pruner::nobody, settings},
    KeptTable{"pipeline.replay_members", Pruner::nobody, with_its_parent},
    KeptTable{"pipeline.replay_outcomes", Pruner::nobody, with_its_parent},
    KeptTable{"pipeline.replay_progress", Pruner::nobody, with_its_parent},
    KeptTable{"pipeline.schedules", Pruner::nobody, settings},
    KeptTable{"pipeline.spend_cap", Pruner::nobody, settings},
    KeptTable{"pipeline.subject_keys", Pruner::nobody,
              "one for each person; an erasure destroys the key, its row stays"},
    KeptTable{"pipeline.telemetry_calls", Pruner::operators, "omnibus telemetry drop --before DATE"},
    KeptTable{"pipeline.telemetry_floor", Pruner::nobody, bounded},
    KeptTable{"public.api_tokens", Pruner::nobody, settings},
    KeptTable{"public.call_summaries", Pruner::gdpr, of_tenant},
    KeptTable{"public.channel_senders", Pruner::nobody, settings},
    KeptTable{"public.chat_telemetry", Pruner::operators, "omnibus telemetry drop --before DATE"},
    KeptTable{"public.chat_telemetry_domain_rollups", Pruner::nobody, aggregates},
    KeptTable{"public.chat_telemetry_model_rollups", Pruner::nobody, aggregates},
    KeptTable{"public.chat_telemetry_rollups", Pruner::nobody, aggregates},
    KeptTable{"public.consents", Pruner::nobody, rights},
    KeptTable{"public.conversations", Pruner::gdpr, of_tenant},
    KeptTable{"public.feature_flags", Pruner::nobody, settings},
    KeptTable{"public.gdpr_archive_parts", Pruner::nobody, with_its_parent},
    KeptTable{"public.gdpr_audit_log", Pruner::gdpr, "two years, longer under a legal hold"},
    KeptTable{"public.gdpr_requests", Pruner::nobody, rights},
    KeptTable{"public.identity_links", Pruner::nobody, rights},
    KeptTable{"public.legal_holds", Pruner::nobody, rights},
    KeptTable{"public.message_delivery_log", Pruner::gdpr, of_tenant},
    KeptTable{"public.messages", Pruner::gdpr, of_tenant},
    KeptTable{"public.omnichannel_sessions", Pruner::gdpr, of_tenant},
    KeptTable{"public.omniscient_blocks", Pruner::nobody, rights},
    KeptTable{"public.omniscient_conversations", Pruner::nobody, with_its_parent},
    KeptTable{"public.omniscient_insight_overrides", Pruner::nobody, with_its_parent},
    KeptTable{"public.omniscient_insights", Pruner::gdpr, of_tenant},
    KeptTable{"public.omniscient_match_insights", Pruner::nobody, with_its_parent},
    KeptTable{"public.omniscient_matches", Pruner::gdpr, of_tenant},
    KeptTable{"public.omniscient_outcomes", Pruner::nobody, with_its_parent},
    KeptTable{"public.omniscient_processing_logs", Pruner::gdpr, of_tenant},
    KeptTable{"public.omniscient_report_outcomes", Pruner::nobody, with_its_parent},
    KeptTable{"public.omniscient_report_unsubscriptions", Pruner::nobody, rights},
    KeptTable{"public.omniscient_reports", Pruner::gdpr, of_tenant},
    KeptTable{"public.omniscient_turns", Pruner::nobody, with_its_parent},
    KeptTable{"public.personal_stories", Pruner::nobody, with_its_parent},
    KeptTable{"public.principals", Pruner::nobody, settings},
    KeptTable{"public.profiles", Pruner::gdpr, of_tenant},
    KeptTable{"public.schema_migration_checksums", Pruner::nobody, bounded},
    KeptTable{"public.schema_migrations", Pruner::nobody, bounded},
    KeptTable{"public.suppressions", Pruner::nobody, rights},
    KeptTable{"public.tenants", Pruner::nobody, settings},
    KeptTable{"public.users", Pruner::gdpr, of_tenant},
};

}  // namespace

milliseconds inbox_age(milliseconds longest_retention) {
  return longest_retention + day;
}

std::vector<KeptTable> kept_tables(milliseconds longest_retention) {
  auto const answers = std::max<milliseconds>(30 * day, longest_retention);
  // Twice the longest retention: Kafka removes whole segments, so a record can be read for longer than it is kept.
  auto const positions = std::max<milliseconds>(30 * day, 2 * longest_retention);
  auto const inbox = inbox_age(longest_retention);
  std::vector<KeptTable> tables{
      {"pipeline.dead_letter_actions", Pruner::workers, "longer than any letter is", 2 * inbox, "at"},
      // A worker removes those whose records are gone. What is left is of workers that run no more; an operator may
      // keep topics for longer than our file says, so with a year to spare.
      {"pipeline.deferred_records", Pruner::gdpr, "until it is handled; longer than any record is",
       365 * day + positions, "arrived_at"},
      {"pipeline.delivery", Pruner::gdpr, "a year after its end", std::max<milliseconds>(365 * day, positions),
       "updated_at", "pipeline.delivery_has_ended(state)"},
      {"pipeline.delivery_actions", Pruner::gdpr, "as the audit log", two_calendar_years, "at"},
      {"pipeline.delivery_receipt", Pruner::gdpr, "as long as its delivery may still be accepted", 14 * day,
       "received_at"},
      {"pipeline.erasures", Pruner::gdpr, "as long as any log reaches back to it", positions, "erased_at",
       "positions IS NOT NULL AND NOT for_good"},
      {"pipeline.forgotten", Pruner::gdpr, "longer than any record is", 2 * inbox, "forgotten_at"},
      {"pipeline.idempotency_keys", Pruner::gdpr, "two days", 2 * day, "created_at"},
      {"pipeline.inbox", Pruner::workers, "as long as a record may come again", inbox, "processed_at"},
      {"pipeline.llm_responses", Pruner::gdpr, "as long as a record may come again", answers, "created_at"},
      {"pipeline.maintenance_runs", Pruner::gdpr, "as the audit log", two_calendar_years, "started_at"},
      {"pipeline.outbox", Pruner::gdpr, "until it is published; a refused row as long as a letter", answers,
       "created_at", "refused IS NOT NULL"},
      {"pipeline.parked_records", Pruner::gdpr, "as long as a letter", answers, "parked_at"},
      {"pipeline.replay_runs", Pruner::gdpr, "longer than any record is", std::max<milliseconds>(90 * day, positions),
       "started_at"},
      {"pipeline.spend", Pruner::gdpr, "as the audit log", two_calendar_years, "day"},
      {"public.access_log", Pruner::gdpr, "two years", two_calendar_years, "created_at"},
      {"public.gdpr_archives", Pruner::gdpr, "seven days", 7 * day, "created_at"},
  };
  tables.insert(tables.end(), unaged.begin(), unaged.end());
  std::ranges::sort(tables, {}, &KeptTable::name);
  return tables;
}

Overdue find_overdue(pqxx::transaction_base& transaction, milliseconds longest_retention) {
  Overdue found;
  for (auto const& table : kept_tables(longest_retention)) {
    if (!table.age) continue;
    auto const readable = transaction.query_value<bool>(
        "SELECT COALESCE(has_any_column_privilege(to_regclass($1), 'SELECT'), false)", pqxx::params{table.name});
    if (!readable) {
      found.unreadable.emplace_back(table.name);
      continue;
    }
    auto const overdue = transaction.query_value<bool>(
        fmt::format("SELECT EXISTS (SELECT FROM {} WHERE {} < now() - interval '{} milliseconds' AND {})", table.name,
                    table.time, milliseconds{*table.age + day}.count(), table.which));
    if (overdue) found.tables.emplace_back(table.name);
  }
  return found;
}

}  // namespace omnibus::retention
