/// The queries behind the API's reads and the tool's lists. Each reads what row-level security shows to the
/// transaction. Lists come newest first and end in a unique key, so that pages hold each row once.
#pragma once

#include "matches/shown.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::matches {

/// A part of a list.
struct Page {
  std::int64_t limit = 10;
  std::int64_t offset = 0;
};

struct PersonFilter {
  std::optional<std::string> domain{}, status{};
};
struct MatchFilter {
  std::optional<std::string> domain{}, status{};
  std::optional<double> min_score{};
  std::optional<Uuid> user_id{};
};
struct AgentConversationFilter {
  std::optional<std::string> domain{}, status{};
  std::optional<Uuid> match_id{}, user_id{};
  std::optional<std::int64_t> from_ms{}, to_ms{};  ///< of the creation; the end is exclusive
};
struct OutcomeFilter {
  std::optional<std::string> domain{};
  std::optional<Uuid> conversation_id{};
  std::optional<bool> follow_up_recommended{};
};
struct ReportFilter {
  std::optional<std::string> domain{};
  std::optional<Uuid> user_id{};
  std::optional<std::string> report_date{};
};
struct ProcessingLogFilter {
  std::optional<std::string> domain{}, process_type{}, status{};
};

/// Every function below @throws postgres::RowError, and what libpqxx throws.
std::vector<ShownPerson> read_people(pqxx::transaction_base& transaction, PersonFilter const& filter, Page page);
std::optional<ShownPerson> read_person(pqxx::transaction_base& transaction, Uuid const& id);

std::vector<ShownMatch> read_matches(pqxx::transaction_base& transaction, MatchFilter const& filter, Page page);
std::optional<ShownMatch> read_match(pqxx::transaction_base& transaction, Uuid const& id);
/// The newest match of two people, in either order.
std::optional<ShownMatch> read_match_of(pqxx::transaction_base& transaction, Uuid const& user, Uuid const& other);
/// With its insights, the most relevant first, and its overrides, the newest first.
std::optional<MatchDetail> read_match_detail(pqxx::transaction_base& transaction, Uuid const& id);

std::vector<ShownAgentConversation> read_agent_conversations(pqxx::transaction_base& transaction,
                                                             AgentConversationFilter const& filter, Page page);
std::optional<ShownAgentConversation> read_agent_conversation(pqxx::transaction_base& transaction, Uuid const& id);
/// With its turns after a number, in their order, at most `most_turns`. A conversation that has ended, or has an
/// outcome, has all its turns stored: if it says so, no later turn is missing.
std::optional<AgentConversationDetail> read_agent_conversation_detail(pqxx::transaction_base& transaction,
                                                                      Uuid const& id, std::int64_t after = 0);
inline constexpr std::int64_t most_turns = 1000;

std::vector<ShownOutcome> read_outcomes(pqxx::transaction_base& transaction, OutcomeFilter const& filter, Page page);
std::optional<ShownOutcome> read_outcome(pqxx::transaction_base& transaction, Uuid const& id);
std::optional<ShownOutcome> read_outcome_of(pqxx::transaction_base& transaction, Uuid const& conversation_id);

std::vector<ShownReport> read_reports(pqxx::transaction_base& transaction, ReportFilter const& filter, Page page);
std::optional<ShownReportText> read_report_text(pqxx::transaction_base& transaction, Uuid const& id);

std::vector<ShownProcessingLog> read_processing_logs(pqxx::transaction_base& transaction,
                                                     ProcessingLogFilter const& filter, Page page);

}  // namespace omnibus::matches
