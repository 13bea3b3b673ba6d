// What each action does.

#include "json/encode.hpp"
#include "matches/measures.hpp"
#include "matches/reads.hpp"
#include "time/time.hpp"
#include "workers/gateway/matches/confidential.hpp"
#include "workers/gateway/matches/match_actions.hpp"
#include "workers/gateway/routes/json_body.hpp"

#include <optional>
#include <vector>

#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

constexpr std::string_view match_worker = "match", outcome_worker = "outcome", report_worker = "report";

struct BatchParams {
  std::optional<std::int64_t> batchSize;
};
BOOST_DESCRIBE_STRUCT(BatchParams, (), (batchSize))

struct MatchParams {
  Uuid matchId;
};
BOOST_DESCRIBE_STRUCT(MatchParams, (), (matchId))

struct MidnightParams {
  std::optional<Uuid> userId;
  std::optional<std::string> at;
};
BOOST_DESCRIBE_STRUCT(MidnightParams, (), (userId, at))

struct AgentConversationParams {
  Uuid conversationId;
};
BOOST_DESCRIBE_STRUCT(AgentConversationParams, (), (conversationId))

struct ReportParams {
  std::optional<std::string> date;
  std::optional<Uuid> userId;
};
BOOST_DESCRIBE_STRUCT(ReportParams, (), (date, userId))

struct ManualMatchParams {
  Uuid userIdA, userIdB;
};
BOOST_DESCRIBE_STRUCT(ManualMatchParams, (), (userIdA, userIdB))

struct OverridingInsight {
  std::optional<Uuid> insight_id;
  std::string insight_type, title, description;
  std::optional<double> relevance_score, score;
};
BOOST_DESCRIBE_STRUCT(OverridingInsight, (), (insight_id, insight_type, title, description, relevance_score, score))

struct OverrideParams {
  Uuid matchId;
  std::vector<OverridingInsight> insights;
};
BOOST_DESCRIBE_STRUCT(OverrideParams, (), (matchId, insights))

struct DateRangeParams {
  std::optional<std::string> start, end;
};
BOOST_DESCRIBE_STRUCT(DateRangeParams, (), (start, end))

struct AnalyticsParams {
  std::optional<DateRangeParams> dateRange;
};
BOOST_DESCRIBE_STRUCT(AnalyticsParams, (), (dateRange))

/// Of a mutation: what was published, and what came of it once its worker has handled it.
struct MutationResult {
  std::optional<std::string> event_id;
  std::int64_t events = 0;
  std::optional<matches::BatchSummary> summary{};
  std::optional<matches::ShownMatch> match{};
  std::optional<std::vector<matches::ShownInsight>> insights{};
  std::optional<std::vector<matches::ShownMatch>> matches{};
  std::optional<matches::ShownAgentConversation> conversation{};
  std::optional<matches::ShownOutcome> outcome{};
  std::optional<std::vector<matches::ShownReport>> reports{};
};
BOOST_DESCRIBE_STRUCT(MutationResult, (),
                      (event_id, events, summary, match, insights, matches, conversation, outcome, reports))

MutationResult result_of(PublishedCall const& published) {
  MutationResult result;
  if (!published.event_id.empty()) result.event_id = published.event_id;
  result.events = published.events;
  return result;
}

std::optional<std::int64_t> bound_of(std::string_view name, std::optional<std::string> const& text) {
  if (!text) return std::nullopt;
  auto const time = parse_time_or_date_ms(*text);
  if (!time)
    throw Refusal(422, "The request is not valid", "It must be a time such as 2026-11-20T12:00:00Z, or a date",
                  "dateRange." + std::string(name));
  return time;
}

constexpr matches::Page first_page{100, 0};

}  // namespace

Task<MatchActions::Result> MatchActions::analyze_matches(MatchCall& call, std::string_view params) {
  auto const size = read_json<BatchParams>(params).batchSize;
  auto const batch = random_uuid();
  auto asking = requests_.ask(call, match_worker, [=, &call](pqxx::transaction_base&) {
    return matches::plan_batch(call.caller.scope.domain, batch, size, call.caller.principal.id);
  });
  auto published = co_await std::move(asking);
  auto result = result_of(published);
  // The worker has handled the batch once its pairs are requested; each of them is an event of its own.
  if (published.handled) {
    auto const look = [&]() -> Task<bool> {
      auto reading = requests_.read(call, [=, &call](pqxx::transaction_base& transaction) {
        return matches::read_batch_summary(transaction, call.caller.scope.domain, batch, published.event_key);
      });
      result.summary = co_await std::move(reading);
      co_return result.summary.has_value();
    };
    auto waiting = call.wait->until(look, call.client);
    published.handled = co_await std::move(waiting);
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::execute_conversation(MatchCall& call, std::string_view params) {
  auto const id = read_json<MatchParams>(params).matchId;
  auto asking = requests_.ask(call, match_worker, [=, &call](pqxx::transaction_base& transaction) {
    return matches::plan_conversation(transaction, id, call.caller.principal.id);
  });
  auto const published = co_await std::move(asking);
  auto result = result_of(published);
  if (published.handled) {
    auto reading = requests_.read(call, [=](pqxx::transaction_base& transaction) {
      matches::AgentConversationFilter filter;
      filter.match_id = id;
      return std::pair{matches::read_match(transaction, id),
                       matches::read_agent_conversations(transaction, filter, {1, 0})};
    });
    auto [match, conversations] = co_await std::move(reading);
    result.match = std::move(match);
    if (!conversations.empty()) result.conversation = std::move(conversations.front());
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::process_user_midnight(MatchCall& call, std::string_view params) {
  auto const asked = read_json<MidnightParams>(params);
  auto asking = requests_.ask(call, match_worker, [=, &call](pqxx::transaction_base& transaction) {
    return matches::plan_midnight(transaction, call.caller.scope.domain, asked.userId, asked.at,
                                  call.caller.principal.id);
  });
  auto const published = co_await std::move(asking);
  auto result = result_of(published);
  if (published.handled) {
    auto reading = requests_.read(call, [=](pqxx::transaction_base& transaction) {
      matches::MatchFilter filter;
      filter.status = "active";
      filter.user_id = asked.userId;
      return matches::read_matches(transaction, filter, first_page);
    });
    result.matches = co_await std::move(reading);
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::analyze_outcome(MatchCall& call, std::string_view params) {
  auto const id = read_json<AgentConversationParams>(params).conversationId;
  auto asking = requests_.ask(call, outcome_worker, [=, &call](pqxx::transaction_base& transaction) {
    return matches::plan_outcome_analysis(transaction, id, call.caller.principal.id);
  });
  auto const published = co_await std::move(asking);
  auto result = result_of(published);
  if (published.handled) {
    auto reading = requests_.read(
        call, [=](pqxx::transaction_base& transaction) { return matches::read_outcome_of(transaction, id); });
    result.outcome = co_await std::move(reading);
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::generate_report(MatchCall& call, std::string_view params) {
  auto const asked = read_json<ReportParams>(params);
  auto asking = requests_.ask(call, report_worker, [=, &call](pqxx::transaction_base& transaction) {
    auto const& actor = call.caller.principal.id;
    if (!asked.userId) return matches::plan_reports(transaction, call.caller.scope.domain, asked.date, actor);
    return std::vector{matches::plan_report(transaction, *asked.userId, asked.date, actor)};
  });
  auto const published = co_await std::move(asking);
  auto result = result_of(published);
  if (published.handled) {
    auto reading = requests_.read(call, [=](pqxx::transaction_base& transaction) {
      matches::ReportFilter filter;
      filter.user_id = asked.userId;
      filter.report_date = asked.date;
      return matches::read_reports(transaction, filter, first_page);
    });
    result.reports = co_await std::move(reading);
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::manual_match(MatchCall& call, std::string_view params) {
  auto const pair = read_json<ManualMatchParams>(params);
  auto asking = requests_.ask(call, match_worker, [=, &call](pqxx::transaction_base& transaction) {
    return matches::plan_manual_match(transaction, pair.userIdA, pair.userIdB, call.caller.principal.id);
  });
  auto const published = co_await std::move(asking);
  auto result = result_of(published);
  if (published.handled) {
    auto reading = requests_.read(call, [=](pqxx::transaction_base& transaction) {
      return matches::read_match_of(transaction, pair.userIdA, pair.userIdB);
    });
    result.match = co_await std::move(reading);
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::override_insights(MatchCall& call, std::string_view params) {
  auto const asked = read_json<OverrideParams>(params);
  std::vector<MatchInsight> insights;
  for (auto const& each : asked.insights)
    insights.push_back({each.insight_id, each.insight_type, each.title, each.description,
                        each.relevance_score.value_or(1), each.score});
  auto asking =
      requests_.ask(call, match_worker, [&call, id = asked.matchId, insights](pqxx::transaction_base& transaction) {
        return matches::plan_override(transaction, id, insights, call.caller.principal.id);
      });
  auto const published = co_await std::move(asking);
  auto result = result_of(published);
  if (published.handled) {
    auto reading = requests_.read(call, [id = asked.matchId](pqxx::transaction_base& transaction) {
      return matches::read_match_detail(transaction, id);
    });
    auto detail = co_await std::move(reading);
    if (detail) {
      result.match = std::move(detail->match);
      result.insights = std::move(detail->insights);
    }
  }
  co_return Result{published.status(), json::encode(result)};
}

Task<MatchActions::Result> MatchActions::get_match_insights(MatchCall& call, std::string_view params) {
  auto const id = read_json<MatchParams>(params).matchId;
  auto reading = requests_.read(
      call, [=](pqxx::transaction_base& transaction) { return matches::read_match_detail(transaction, id); });
  auto detail = co_await std::move(reading);
  if (!detail) throw Refusal(404, "Not found", "There is no such match", "matchId");
  co_return Result{200, json::encode(shown_to(call.caller, *std::move(detail)))};
}

Task<MatchActions::Result> MatchActions::get_conversation_details(MatchCall& call, std::string_view params) {
  auto const id = read_json<AgentConversationParams>(params).conversationId;
  auto reading = requests_.read(call, [=](pqxx::transaction_base& transaction) {
    return matches::read_agent_conversation_detail(transaction, id);
  });
  auto detail = co_await std::move(reading);
  if (!detail) throw Refusal(404, "Not found", "There is no such conversation", "conversationId");
  auto noting = reads_.note_reading(call.caller, call.request, id);
  co_await std::move(noting);
  co_return Result{200, json::encode(shown_to(call.caller, *std::move(detail)))};
}

Task<MatchActions::Result> MatchActions::get_analytics(MatchCall& call, std::string_view params) {
  auto const asked = read_json<AnalyticsParams>(params).dateRange.value_or(DateRangeParams{});
  matches::TimeRange const range{bound_of("start", asked.start), bound_of("end", asked.end)};
  if (range.from_ms && range.to_ms && *range.from_ms >= *range.to_ms)
    throw Refusal(422, "The request is not valid", "It must be before the end of the range", "dateRange.start");
  auto reading = requests_.read(call, [=, domain = call.caller.scope.domain](pqxx::transaction_base& transaction) {
    return matches::read_analytics(transaction, domain, range);
  });
  auto measure = co_await std::move(reading);
  co_return Result{200, std::move(measure.text)};
}

Task<MatchActions::Result> MatchActions::get_system_health(MatchCall& call, std::string_view) {
  auto reading = requests_.read(call, [domain = call.caller.scope.domain](pqxx::transaction_base& transaction) {
    return matches::read_system_health(transaction, domain);
  });
  auto measure = co_await std::move(reading);
  co_return Result{200, std::move(measure.text)};
}

}  // namespace omnibus::gateway
