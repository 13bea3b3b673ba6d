#include "workers/gateway/matches/match_reads.hpp"

#include "json/encode.hpp"
#include "matches/measures.hpp"
#include "matches/reads.hpp"
#include "workers/gateway/matches/confidential.hpp"
#include "workers/gateway/matches/query.hpp"

#include <string>
#include <string_view>
#include <utility>

namespace omnibus::gateway {
namespace {

matches::TimeRange query_range(http::Request const& request) {
  matches::TimeRange const range{query_time(request, "from"), query_time(request, "to")};
  if (range.from_ms && range.to_ms && *range.from_ms >= *range.to_ms)
    throw Refusal::invalid("from", "It must be before the end of the range");
  return range;
}

}  // namespace

template <class Item, class Filter>
Task<http::Response> MatchReads::list(std::string_view name, Caller caller, Filter filter, matches::Page page,
                                      ReadList<Item, Filter> read_list) {
  auto reading = reads_.read(caller.scope, [=, filter = std::move(filter)](pqxx::transaction_base& transaction) {
    return read_list(transaction, filter, {page.limit + 1, page.offset});  // one more shows whether there is more
  });
  auto items = co_await std::move(reading);
  auto const more = std::ssize(items) > page.limit;
  if (more) items.pop_back();
  std::string body = "{\"" + std::string(name) + "\":[";
  for (auto& item : items) {
    if (body.back() != '[') body += ',';
    json::append(body, shown_to(caller, std::move(item)));
  }
  body += ']';
  if (more) body += ",\"next_offset\":" + std::to_string(page.offset + page.limit);
  body += '}';
  co_return http::json_response(200, std::move(body));
}

template <class Item>
Task<http::Response> MatchReads::one(http::Request const& request, std::string_view thing, ReadOne<Item> read_one) {
  auto admission = reads_.admit(request, own);
  auto const caller = co_await std::move(admission);
  auto const id = path_id(request);
  auto reading =
      reads_.read(caller.scope, [=](pqxx::transaction_base& transaction) { return read_one(transaction, id); });
  auto found = co_await std::move(reading);
  if (!found) throw Refusal(404, "No such " + std::string(thing), {}, "id");
  co_return http::json_response(200, json::encode(shown_to(caller, *std::move(found))));
}

Task<http::Response> MatchReads::people(http::Request const& request) {
  auto admission = reads_.admit(request, own);
  auto caller = co_await std::move(admission);
  matches::PersonFilter filter;
  filter.status = query_word(request, "status", {"PENDING", "APPROVED", "SUSPENDED"});
  auto listing = list("people", std::move(caller), std::move(filter), query_page(request), &matches::read_people);
  co_return co_await std::move(listing);
}

Task<http::Response> MatchReads::person(http::Request const& request) {
  return one(request, "person", &matches::read_person);
}

Task<http::Response> MatchReads::matches(http::Request const& request) {
  auto admission = reads_.admit(request, own);
  auto caller = co_await std::move(admission);
  matches::MatchFilter filter;
  filter.status =
      query_word(request, "status", {"pending_analysis", "analyzed", "scheduled", "active", "completed", "cancelled"});
  filter.min_score = query_fraction(request, "min_score");
  filter.user_id = query_uuid(request, "user_id");
  auto listing = list("matches", std::move(caller), std::move(filter), query_page(request), &matches::read_matches);
  co_return co_await std::move(listing);
}

Task<http::Response> MatchReads::match(http::Request const& request) {
  return one(request, "match", &matches::read_match);
}

Task<http::Response> MatchReads::insights(http::Request const& request) {
  return one(request, "match", &matches::read_match_detail);
}

Task<http::Response> MatchReads::agent_conversations(http::Request const& request) {
  auto admission = reads_.admit(request, own);
  auto caller = co_await std::move(admission);
  auto const range = query_range(request);
  matches::AgentConversationFilter filter;
  filter.status = query_word(request, "status", {"scheduled", "active", "completed", "failed"});
  filter.match_id = query_uuid(request, "match_id");
  filter.user_id = query_uuid(request, "user_id");
  filter.from_ms = range.from_ms;
  filter.to_ms = range.to_ms;
  auto listing = list("agent_conversations", std::move(caller), std::move(filter), query_page(request),
                      &matches::read_agent_conversations);
  co_return co_await std::move(listing);
}

Task<http::Response> MatchReads::agent_conversation(http::Request const& request) {
  auto admission = reads_.admit(request, own);
  auto const caller = co_await std::move(admission);
  auto const id = path_id(request);
  auto reading = reads_.read(caller.scope, [=](pqxx::transaction_base& transaction) {
    return matches::read_agent_conversation_detail(transaction, id);
  });
  auto found = co_await std::move(reading);
  if (!found) throw Refusal(404, "No such conversation", {}, "id");
  auto noting = reads_.note_reading(caller, request, id);
  co_await std::move(noting);
  co_return http::json_response(200, json::encode(shown_to(caller, *std::move(found))));
}

Task<http::Response> MatchReads::outcomes(http::Request const& request) {
  auto admission = reads_.admit(request, own);
  auto caller = co_await std::move(admission);
  matches::OutcomeFilter filter;
  filter.conversation_id = query_uuid(request, "conversation_id");
  filter.follow_up_recommended = query_bool(request, "follow_up_recommended");
  auto listing = list("outcomes", std::move(caller), std::move(filter), query_page(request), &matches::read_outcomes);
  co_return co_await std::move(listing);
}

Task<http::Response> MatchReads::processing_logs(http::Request const& request) {
  auto admission = reads_.admit(request, team);
  auto caller = co_await std::move(admission);
  matches::ProcessingLogFilter filter;
  filter.process_type = query_name(request, "process_type");
  filter.status = query_word(request, "status", {"started", "completed", "failed"});
  auto listing = list("processing_logs", std::move(caller), std::move(filter), query_page(request),
                      &matches::read_processing_logs);
  co_return co_await std::move(listing);
}

Task<http::Response> MatchReads::analytics(http::Request const& request) {
  auto admission = reads_.admit(request, team);
  auto const caller = co_await std::move(admission);
  auto const range = query_range(request);
  auto reading = reads_.read(caller.scope, [=, domain = caller.scope.domain](pqxx::transaction_base& transaction) {
    return matches::read_analytics(transaction, domain, range);
  });
  auto measure = co_await std::move(reading);
  co_return http::json_response(200, std::move(measure.text));
}

Task<http::Response> MatchReads::calibration(http::Request const& request) {
  auto admission = reads_.admit(request, team);
  auto const caller = co_await std::move(admission);
  auto const range = query_range(request);
  auto reading = reads_.read(caller.scope, [=, domain = caller.scope.domain](pqxx::transaction_base& transaction) {
    return matches::read_calibration(transaction, domain, range);
  });
  auto measure = co_await std::move(reading);
  co_return http::json_response(200, std::move(measure.text));
}

Task<http::Response> MatchReads::system_health(http::Request const& request) {
  auto admission = reads_.admit(request, team);
  auto const caller = co_await std::move(admission);
  auto reading = reads_.read(caller.scope, [domain = caller.scope.domain](pqxx::transaction_base& transaction) {
    return matches::read_system_health(transaction, domain);
  });
  auto measure = co_await std::move(reading);
  co_return http::json_response(200, std::move(measure.text));
}

Task<http::Response> MatchReads::reports(http::Request const& request) {
  auto admission = reads_.admit(request, own);
  auto caller = co_await std::move(admission);
  matches::ReportFilter filter;
  filter.user_id = query_uuid(request, "user_id");
  filter.report_date = query_date(request, "date");
  auto listing = list("reports", std::move(caller), std::move(filter), query_page(request), &matches::read_reports);
  co_return co_await std::move(listing);
}

Task<http::Response> MatchReads::report(http::Request const& request) {
  return one(request, "report", &matches::read_report_text);
}

}  // namespace omnibus::gateway
