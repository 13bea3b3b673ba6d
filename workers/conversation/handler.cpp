#include "workers/conversation/handler.hpp"

#include "workers/conversation/active_conversations.hpp"
#include "workers/conversation/speech.hpp"
#include "workers/conversation/turn_answer.hpp"

#include <cmath>
#include <cstdint>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace omnibus::conversation {
namespace {

using assistant::AnswerFate;
using State = OpenConversation::State;

processing::LoggedWork work_of(AgentConversationRequested const& event) {
  return {event.domain, "begin_conversation", "conversation", event.conversation_id};
}

processing::LoggedWork work_of(AgentTurnRequested const& event) {
  return {event.domain, "hold_turn", "conversation", event.conversation_id};
}

/// Each agent opens or answers in turn: agent_a has the odd numbers.
std::string role_of(std::int64_t turn_number) {
  return turn_number % 2 == 1 ? "agent_a" : "agent_b";
}

/// Tells the match, and whoever follows the conversation, that it is over.
void publish_end(UnitOfWork& unit, std::string const& domain, Uuid const& match_id, Uuid const& conversation_id,
                 StopReason stop, std::size_t turns) {
  std::string reason{to_string(stop)};
  if (is_failure(stop))
    return unit.publish(AgentConversationFailed{domain, match_id, conversation_id, std::move(reason)},
                        to_string(match_id));
  unit.publish(AgentConversationCompleted{domain, match_id, conversation_id, std::move(reason),
                                          static_cast<std::int64_t>(turns)},
               to_string(match_id));
}

/// @throws Failure (permanent) when the conversation cannot begin.
void publish_beginning(UnitOfWork& unit, AgentConversationRequested const& event, Beginning beginning) {
  switch (beginning) {
    case Beginning::begun:
      return unit.publish(AgentTurnRequested{event.domain, event.conversation_id, event.match_id, 1},
                          to_string(event.conversation_id));
    case Beginning::erased:
      return publish_end(unit, event.domain, event.match_id, event.conversation_id, StopReason::erased, 0);
    case Beginning::unknown_tenant:
      throw Failure::permanent("domain is no tenant", "unknown_tenant");
    case Beginning::inactive_tenant:
      throw Failure::permanent("the tenant is not active", "inactive_tenant");
    case Beginning::unknown_match:
      throw Failure::permanent("there is no such match", "unknown_match");
    case Beginning::not_open:
      throw Failure::permanent("the match is not active, or has a conversation", "illegal_transition");
  }
}

/// A conversation that cannot be held for this failure of its event.
ConversationEnd end_of(Failure const& failure) {
  auto const reason = failure.error_class() == "inactive_tenant" ? StopReason::withdrawn : StopReason::model_failed;
  return {reason, failure.error_class()};
}

/// An event that does not fit the conversation's state says nothing about the conversation.
bool is_misplaced(Failure const& failure) {
  auto const& error = failure.error_class();
  return error == "illegal_transition" || error == "unknown_conversation" || error == "unknown_match";
}

ConversationLimits limits_of(ConversationSettings const& settings) {
  return {settings.conversation_max_tokens, std::llround(settings.conversation_max_cost * 1e9)};
}

}  // namespace

ConversationHandler::ConversationHandler(Resources& resources, ConversationSettings const& settings)
    : ConversationHandler{settings, std::make_unique<PostgresAgentConversations>(),
                          std::make_unique<assistant::Model>(resources, settings)} {
  if (!resources.replay && resources.place.is_first())
    boost::asio::co_spawn(resources.loop, show_active_conversations(resources.loop, resources.pool),
                          boost::asio::detached);
}

Task<> ConversationHandler::handle(Context& context, AgentConversationRequested const& event) {
  auto beginning = Beginning::begun;
  auto committing = context.commit([&](UnitOfWork& unit) {
    if (context.replaying()) {
      beginning = store_->begin_again(unit, event, context.event_key());
      return;
    }
    store_->begin(unit, event, [&](Beginning became) {
      beginning = became;
      publish_beginning(unit, event, became);
    });
    store_->log_end(unit, context, work_of(event), {});
  });
  auto const first = co_await std::move(committing);
  if (first && context.replaying() && beginning != Beginning::begun)
    context.pass_over(beginning == Beginning::erased ? "deleted" : "it had not begun");
  if (first) processing::observe_duration(context, work_of(event).action);
}

Task<> ConversationHandler::handle(Context& context, AgentTurnRequested const& event) {
  auto opening = store_->open(context, event, settings_.conversation_history_tokens);
  auto open = co_await std::move(opening);
  auto const is_next = open.state == State::running && event.turn_number == open.turns + 1;
  if (context.replaying() && !is_next && event.turn_number > open.turns)
    co_return context.pass_over("the conversation does not run");
  if (!is_next && open.state != State::erased) {
    auto const is_stored = event.turn_number <= open.turns;
    // In the commit, since the event may be what ended the conversation when it was handled before.
    auto committing = context.commit([&](UnitOfWork& unit) {
      if (open.state == State::unknown)
        throw Failure::permanent("there is no such conversation", "unknown_conversation");
      if (!is_stored) throw Failure::permanent("the conversation has ended or is not there yet", "illegal_transition");
      store_->log_end(unit, context, work_of(event), {});
    });
    co_await std::move(committing);
    co_return;
  }
  auto const match_id = open.match_id;
  Result result;
  result.turn.conversation_id = event.conversation_id;
  result.turn.turn_number = event.turn_number;
  if (!context.replaying()) {
    if (is_next && !open.tenant_active) throw Failure::permanent("the tenant is not active", "inactive_tenant");
    result.end = end_before(event, open);
  }
  if (!result.end) {
    auto starting = store_->log_start(context, work_of(event));
    co_await std::move(starting);
    auto asking = ask(context, event, std::move(open), settings_.conversation_history_tokens);
    result = co_await std::move(asking);
    if (result.end && context.replaying()) co_return context.pass_over("no recorded answer");
  }
  auto settling = settle(context, event, match_id, result);
  auto const first = co_await std::move(settling);
  if (first) processing::observe_duration(context, work_of(event).action);
}

std::optional<ConversationEnd> ConversationHandler::end_before(AgentTurnRequested const& event,
                                                               OpenConversation const& open) const {
  if (open.state == State::erased) return ConversationEnd{StopReason::erased, {}};
  if (!open.may_go_on) return ConversationEnd{StopReason::withdrawn, {}};
  if (event.turn_number > settings_.conversation_max_turns) return ConversationEnd{StopReason::max_turns, {}};
  // Without a turn nothing was held that could be judged: no model was there in time.
  if (open.age >= settings_.conversation_deadline)
    return open.turns == 0 ? ConversationEnd{StopReason::model_failed, "no turn within the deadline"}
                           : ConversationEnd{StopReason::deadline, {}};
  return std::nullopt;
}

Task<ConversationHandler::Result> ConversationHandler::ask(Context& context, AgentTurnRequested const& event,
                                                           OpenConversation open, std::int32_t history_tokens) {
  auto const limits = limits_of(settings_);
  auto const totals = open.totals;
  Speaker const own{role_of(event.turn_number), std::move(open.own_handle)};
  Speaker const other{role_of(event.turn_number + 1), std::move(open.other_handle)};
  Result result;
  auto& turn = result.turn;
  turn = {event.conversation_id, event.turn_number, open.speaker_id, own.role};
  std::optional<StopReason> exceeded;
  assistant::StructuredQuestion question;
  question.max_tokens = settings_.conversation_turn_tokens;
  question.looked_up = std::move(open.answer);
  question.records_later = true;
  question.allows = [&](assistant::PlannedCall const& call, assistant::Spent const& before) {
    exceeded = limit_before(limits, totals, before, call);
    return !exceeded;
  };
  {
    Scene const scene{own,
                      other,
                      std::move(open.story),
                      select_insights(std::move(open.insights)),
                      event.turn_number,
                      settings_.conversation_max_turns,
                      settings_.conversation_turn_tokens};
    for (auto const& each : scene.insights) turn.insights.push_back({each.id, each.relevance});
    question.prompt = make_turn_prompt(scene, open.history, static_cast<std::size_t>(history_tokens));
  }
  open = {};  // many turns wait for the model at once: hold only what they still need

  auto asking = model_->ask_for<TurnAnswer>(
      context, {event.domain, event.conversation_id, std::string{turn_step}}, std::move(question),
      [&](TurnAnswer const& answer) -> std::optional<InvalidField> {
        if (auto invalid = take_extents(answer, turn.insights)) return invalid;
        turn.message = own_words(answer.message, own, other);
        if (is_visible(turn.message)) return std::nullopt;
        return InvalidField{"message", "has no words of the speaker's own"};
      },
      turn_form(turn.insights));
  auto asked = co_await std::move(asking);

  if (asked.fate == AnswerFate::too_long && history_tokens == settings_.conversation_history_tokens) {
    auto const shorter = assistant::Model::shorter(history_tokens);
    auto opening = store_->open(context, event, shorter);
    auto again = co_await std::move(opening);
    auto asking_again = ask(context, event, std::move(again), shorter);
    co_return co_await std::move(asking_again);
  }
  if (asked.fate != AnswerFate::answered) turn.message.clear();
  turn.spent = asked.spent;
  turn.model = asked.model;
  result.unrecorded = std::move(asked.unrecorded);
  switch (asked.fate) {
    case AnswerFate::answered:
      turn.wants_to_end = asked.answer->end;
      break;
    case AnswerFate::denied:
      result.end = ConversationEnd{exceeded.value(), {}};
      break;
    case AnswerFate::refused:
      result.end = ConversationEnd{StopReason::refused, asked.detail};
      break;
    case AnswerFate::unusable:
    case AnswerFate::unanswered:
    case AnswerFate::too_long:
      result.end = ConversationEnd{StopReason::model_failed, asked.detail};
      break;
  }
  co_return result;
}

Task<bool> ConversationHandler::settle(Context& context, AgentTurnRequested const& event, Uuid const& match_id,
                                       Result const& result) {
  auto const store = [&](UnitOfWork& unit) {
    if (result.unrecorded) model_->record_answer(unit, context.event_key(), *result.unrecorded);
    store_result(unit, context, event, match_id, result);
    auto const failed =
        result.end && (result.end->reason == StopReason::model_failed || result.end->reason == StopReason::refused);
    if (failed)
      store_->log_failure(unit, context, work_of(event),
                          Failure::permanent(result.end->error, std::string{to_string(result.end->reason)}));
    else
      store_->log_end(unit, context, work_of(event), result.turn.spent);
  };
  auto committing = model_->commit_with_answer(context, result.unrecorded, store);
  co_return co_await std::move(committing);
}

void ConversationHandler::store_result(UnitOfWork& unit, Context& context, AgentTurnRequested const& event,
                                       Uuid const& match_id, Result const& result) {
  // By value: an event that is given up is gone when its turn is stored.
  auto publish = [this, &unit, match_id, domain = event.domain, turn = result.turn,
                  end = result.end](StoredTurn stored) mutable {
    auto const& id = turn.conversation_id;
    if (stored.storage == TurnStorage::erased) publish_end(unit, domain, match_id, id, StopReason::erased, 0);
    if (stored.storage != TurnStorage::stored) return;
    auto& turns = stored.earlier;
    if (!turn.message.empty()) {
      turns.push_back({std::move(turn.message), turn.wants_to_end});
      unit.publish(AgentTurnCompleted{domain, id, turn.turn_number, turn.speaker_role}, to_string(id));
      if (auto const stop = stop_after(turns, static_cast<std::size_t>(settings_.conversation_max_turns)))
        end = ConversationEnd{*stop, {}};
    }
    if (!end) return unit.publish(AgentTurnRequested{domain, id, match_id, turn.turn_number + 1}, to_string(id));
    store_->end(unit, id, *end);
    publish_end(unit, domain, match_id, id, end->reason, turns.size());
  };
  store_->store_turn(unit, context.event_key(), result.turn, std::move(publish));
}

void ConversationHandler::gave_up(Context& context, AgentConversationRequested const& event, Failure const& failure,
                                  UnitOfWork& unit) {
  if (failure.error_class() == "unknown_tenant") return;
  store_->log_failure(unit, context, work_of(event), failure);
  if (is_misplaced(failure)) return;
  auto const end = end_of(failure);
  if (store_->fail_to_begin(unit, event, end))
    publish_end(unit, event.domain, event.match_id, event.conversation_id, end.reason, 0);
}

void ConversationHandler::gave_up(Context& context, AgentTurnRequested const& event, Failure const& failure,
                                  UnitOfWork& unit) {
  if (failure.error_class() == "unknown_tenant") return;
  store_->log_failure(unit, context, work_of(event), failure);
  if (is_misplaced(failure)) return;
  Result result;
  result.turn.conversation_id = event.conversation_id;
  result.turn.turn_number = event.turn_number;
  result.end = end_of(failure);
  store_result(unit, context, event, event.match_id, result);
}

}  // namespace omnibus::conversation
