#include "json/encode.hpp"
#include "workers/cli/commands.hpp"
#include "workers/cli/matching/look_pace.hpp"
#include "workers/cli/matching/matching.hpp"
#include "workers/cli/terminal/terminal.hpp"

#include <chrono>
#include <cstdio>
#include <stdexcept>
#include <thread>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::cli {
namespace {

struct AgentConversationListing {
  std::vector<matches::ShownAgentConversation> conversations;
};
BOOST_DESCRIBE_STRUCT(AgentConversationListing, (), (conversations))

void list_conversations(MatchingOptions const& options) {
  matches::AgentConversationFilter const filter{
      options.domain,
      options.status,
      read_id("--match", options.match),
      read_id("--user", options.user),
      read_moment("--from", options.from),
      read_moment("--to", options.to),
  };
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const found = matches::read_agent_conversations(transaction, filter, options.page());
    if (options.json) return fmt::print("{}\n", json::encode(AgentConversationListing{found}));
    Table table{{"ID", "STATUS", "TURNS", "OUTCOME", "QUALITY", "TOKENS", "COST", "ENDED BY", "CREATED"}};
    for (auto const& each : found)
      table.add({to_string(each.id), each.status, std::to_string(each.turn_count), each.actual_outcome.value_or("-"),
                 score_text(each.quality_score), std::to_string(each.total_tokens), each.total_cost,
                 each.stop_reason.value_or("-"), each.created_at});
    fmt::print("{}", table.text());
  });
}

void print_turn(matches::ShownTurn const& turn, bool as_json) {
  if (as_json) return fmt::print("{}\n", json::encode(turn));
  fmt::print("{:>3} {} {}\n", turn.turn_number, turn.speaker_role, printable(turn.message));
}

matches::AgentConversationDetail find_conversation(pqxx::transaction_base& transaction, Uuid const& id,
                                                   std::int64_t after = 0) {
  auto found = matches::read_agent_conversation_detail(transaction, id, after);
  if (!found) throw std::runtime_error("there is no such conversation: omnibus agent-conversation ls shows them");
  return *std::move(found);
}

void print_conversation(matches::ShownAgentConversation const& conversation) {
  print_line("id", to_string(conversation.id));
  print_line("tenant", conversation.domain);
  print_line("match", to_string(conversation.match_id));
  print_line("status", conversation.status);
  print_if_known("ended by", conversation.stop_reason);
  print_if_known("error", conversation.error);
  print_if_known("outcome", conversation.actual_outcome);
  print_line("outcome match score",
             conversation.outcome_match_score ? score_text(conversation.outcome_match_score) : "");
  print_line("quality", conversation.quality_score ? score_text(conversation.quality_score) : "");
  print_if_known("summary", conversation.conversation_summary);
  print_if_known("deviation", conversation.deviation_analysis);
  print_if_known("model", conversation.model_used);
  print_line("tokens", std::to_string(conversation.total_tokens));
  print_line("cost", conversation.total_cost);
  print_if_known("began", conversation.started_at);
  print_if_known("completed", conversation.completed_at);
}

void show_conversation(MatchingOptions const& options) {
  auto const id = read_id("the id", options.id);
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    auto const conversation = find_conversation(transaction, id);
    if (options.json) return fmt::print("{}\n", json::encode(conversation));
    print_conversation(conversation);
    for (auto const& turn : conversation.turns) print_turn(turn, false);
  });
}

/// Nothing more comes: it has failed, was judged, or could not be judged.
bool has_ended(matches::AgentConversationDetail const& conversation) {
  return conversation.status == "failed" || conversation.outcome ||
         (conversation.status == "completed" && conversation.error);
}

void print_end(matches::ShownAgentConversation const& conversation, bool as_json) {
  if (as_json) return fmt::print("{}\n", json::encode(conversation));
  if (conversation.status == "completed" && !conversation.actual_outcome)
    return fmt::print("completed, but it could not be judged: {}\n", printable(conversation.error.value_or("")));
  fmt::print("{}: {}\n", conversation.status,
             conversation.actual_outcome.value_or(conversation.stop_reason.value_or("")));
}

/// Prints turns as they are stored, to the end of the conversation.
void tail_conversation(MatchingOptions const& options) {
  auto const id = read_id("the id", options.id);
  auto const connection = connect(options.database);
  std::int64_t told = 0;
  LookPace pace;
  for (bool ended = false; !ended;) {
    read_matching(*connection, [&](pqxx::transaction_base& transaction) {
      auto const conversation = find_conversation(transaction, id, told);
      for (auto const& turn : conversation.turns) {
        print_turn(turn, options.json);
        told = turn.turn_number;
        pace.found();
      }
      ended = has_ended(conversation);
      if (ended) print_end(conversation, options.json);
    });
    std::fflush(stdout);
    if (ended) return;
    auto const pause = pace.next();
    if (!pause) throw std::runtime_error("nothing new for an hour: omnibus agent-conversation show shows its state");
    std::this_thread::sleep_for(*pause);
  }
}

void run_conversation(MatchingOptions const& options) {
  auto const match = read_id("the match", options.id);
  std::vector<matches::PlannedEvent> planned;
  read_matching(options, [&](pqxx::transaction_base& transaction) {
    planned.push_back(matches::plan_conversation(transaction, match, std::nullopt));
  });
  publish_and_print(options, planned,
                    "the conversation begins: omnibus agent-conversation ls --match " + options.id + " shows it");
}

}  // namespace

void add_agent_conversation_command(CLI::App& application, int&) {
  auto const options = std::make_shared<MatchingOptions>();
  auto* command =
      application.add_subcommand("agent-conversation", "List, show, follow and begin conversations between two agents");
  command->require_subcommand(1);
  auto* list = command->add_subcommand("ls", "List conversations, the newest first");
  add_reading_options(*list, *options);
  add_list_options(*list, *options, {"scheduled", "active", "completed", "failed"});
  list->add_option("--match", options->match, "Only of this match");
  list->add_option("--user", options->user, "Only of this person");
  list->add_option("--from", options->from, "Only those created at this time or later");
  list->add_option("--to", options->to, "Only those created before this time");
  run_on(*list, [options] { list_conversations(*options); });

  auto const add_with_id = [&](char const* name, char const* help, void (*run)(MatchingOptions const&)) {
    auto* subcommand = command->add_subcommand(name, help);
    add_reading_options(*subcommand, *options);
    subcommand->add_option("id", options->id, "The conversation's id, as ls shows it")->required();
    run_on(*subcommand, [options, run] { run(*options); });
  };
  add_with_id("show", "Show one conversation with its turns", show_conversation);
  add_with_id("tail", "Print the turns of a conversation while they happen, to its outcome", tail_conversation);

  auto* run = command->add_subcommand("run", "Begin the conversation of a match now, before its midnight");
  add_asking_options(*run, *options);
  run->add_option("match", options->id, "The match's id: omnibus match ls shows it")->required();
  run_on(*run, [options] { run_conversation(*options); });
}

}  // namespace omnibus::cli
