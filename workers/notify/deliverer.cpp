#include "workers/notify/deliverer.hpp"

#include "faults/failpoint.hpp"
#include "time/time.hpp"

#include <algorithm>
#include <exception>
#include <utility>
#include <variant>

namespace omnibus::notify {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds shortly{500};
constexpr milliseconds between_look_ups{20'000};

Outcome ended(Order const& order, std::int32_t attempt, std::string_view state, std::string reason) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::ended;
  outcome.ending.effect_key = order.plan.effect_key;
  outcome.ending.attempt = attempt;
  outcome.ending.state = state;
  if (!reason.empty()) outcome.ending.reason = std::move(reason);
  return outcome;
}

Outcome again(std::string reason, std::optional<milliseconds> after) {
  Outcome outcome;
  outcome.kind = Outcome::Kind::again;
  outcome.reason = std::move(reason);
  outcome.retry_after = after;
  return outcome;
}

Outcome later(std::string reason, std::optional<milliseconds> after) {
  auto outcome = again(std::move(reason), after);
  outcome.kind = Outcome::Kind::later;
  return outcome;
}

std::string words_of(Order const& order, OutboundMessage const& message) {
  return message.content_template ? order.template_parameter : message.text;
}

/// Thrown where a message that this process wanted to plan belongs to another by now.
struct ClaimedElsewhere {};

void check_parties(Opened const& opened) {
  if (!opened.known_tenant) throw Failure::permanent("domain is no tenant", "unknown_tenant");
  if (!opened.active_tenant) throw Failure::permanent("the tenant is not active", "inactive_tenant");
  if (!opened.known_person) throw Failure::permanent("the profile is not the tenant's", "unknown_profile");
}

Refused too_late() {
  return {Refused::Kind::transient, "too_late", "its worker stood still before it could be sent", {}, true};
}

}  // namespace

Task<Outcome> Deliverer::deliver(Order const& order, std::uint32_t tries) {
  auto const key = order.plan.effect_key;
  if (auto const known = known_.find(key); known != known_.end()) co_return known->second;
  // The claim keeps other processes away; this keeps another attempt of this process away.
  if (!in_hand_->insert(key).second) co_return later("another attempt is under way", shortly);
  struct Release {
    std::shared_ptr<std::unordered_set<Uuid>> in_hand;
    Uuid key;
    ~Release() { in_hand->erase(key); }
  } const release{in_hand_, key};
  Outcome outcome;
  try {
    auto delivering = open_and_deliver(order, tries);
    outcome = co_await std::move(delivering);
  } catch (ClaimedElsewhere const&) {
    outcome = later("another process has claimed it", shortly);
  }
  if (!outcome.ending.state.empty()) known_.insert_or_assign(key, outcome);
  co_return outcome;
}

Task<> Deliverer::leave(std::vector<Outcome> outcomes) {
  std::vector<Ending> endings;
  for (auto& outcome : outcomes)
    if (!outcome.ending.state.empty()) endings.push_back(std::move(outcome.ending));
  if (endings.empty()) co_return;
  auto leaving = store_.leave_answers(endings);
  co_await std::move(leaving);
}

Task<Outcome> Deliverer::open_and_deliver(Order const& order, std::uint32_t tries) {
  auto looking = store_.look(order.plan);
  auto opened = co_await std::move(looking);
  if (opened.planned) {
    auto opening = store_.open(order.plan);
    opened = co_await std::move(opening);
  }
  check_parties(opened);
  Outcome outcome;
  std::exception_ptr failed;
  try {
    auto stepping = take_step(order, opened, tries);
    outcome = co_await std::move(stepping);
  } catch (...) {
    failed = std::current_exception();
  }
  if (!opened.planned) {  // it ends, waits or fails without having been dispatched
    try {
      auto planning = plan(order, opened);
      co_await std::move(planning);
      outcome.ending.attempt = opened.found.attempt;
    } catch (...) {
      if (!failed) throw;
    }
  }
  if (failed) std::rethrow_exception(failed);
  // After any ending, an operator may have it sent again, which needs its text. A message skipped now may be in
  // doubt because of an earlier attempt.
  auto& ending = outcome.ending;
  auto const to_keep = !ending.state.empty() && (ending.state != "skipped" || ending.attempt > 1);
  if (to_keep && !ending.content) ending.content = words(order, opened);
  co_return outcome;
}

/// The ledger has it from now on, and for this process.
Task<> Deliverer::plan(Order const& order, Opened& opened) {
  auto opening = store_.open(order.plan);
  opened = co_await std::move(opening);
  check_parties(opened);
  if (!opened.planned || !opened.found.claimed) throw ClaimedElsewhere{};
}

/// Whoever waits is in the ledger, for others to see.
Task<> Deliverer::await_turn(Order const& order, Opened& opened, std::chrono::steady_clock::duration duration) {
  if (!opened.planned) {
    auto planning = plan(order, opened);
    co_await std::move(planning);
  }
  auto pausing = order.pause(duration);
  co_await std::move(pausing);
}

Task<Clearance> Deliverer::dispatch(Order const& order, Opened& opened) {
  auto const& person = opened.person;
  auto keys = sessions::subject_keys(settings_, order.plan.domain, {person.phone_number, person.whatsapp_user_id});
  if (opened.planned) {
    auto const departure = Departure{order.plan.effect_key, opened.found.attempt, std::move(keys)};
    auto writing = store_.dispatch(departure);
    co_return co_await std::move(writing);
  }
  auto const departure = NewDeparture{order.plan, std::move(keys)};
  auto writing = store_.dispatch_new(departure);
  auto const verdict = co_await std::move(writing);
  opened.planned = true;
  co_return verdict;
}

Task<Outcome> Deliverer::take_step(Order const& order, Opened& opened, std::uint32_t tries) {
  auto const unsent = unsent_.find(order.plan.effect_key);
  auto const mine = unsent != unsent_.end() && unsent->second == opened.found.attempt;
  // This provider and sender do not know what another one was given.
  auto const same =
      order.provider != nullptr &&
      (!opened.provider || (*opened.provider == order.plan.provider && opened.sender_id == order.plan.sender_id));
  auto const abilities = same ? order.provider->capabilities() : Capabilities{};
  switch (next_step(opened.found, mine, abilities, policy(order))) {
    case Step::settled:
      break;
    case Step::wait:
      co_return later("another process has claimed it", std::max(opened.found.lease_left, shortly));
    case Step::answer: {
      auto outcome = ended(order, opened.found.attempt, {}, {});
      outcome.ending = opened.answer;
      outcome.ending.effect_key = order.plan.effect_key;
      if (outcome.ending.state == "planned") outcome.kind = Outcome::Kind::later;
      outcome.reason = outcome.ending.reason.value_or("");
      co_return outcome;
    }
    case Step::doubt:
      co_return ended(order, opened.found.attempt, "in_doubt", "its worker died while it was on its way");
    case Step::send: {
      auto sending = send(order, opened, tries);
      co_return co_await std::move(sending);
    }
    case Step::resend: {
      auto sending = send_again(order, opened, tries);
      co_return co_await std::move(sending);
    }
    case Step::ask: {
      auto asking = ask(order, opened, tries);
      co_return co_await std::move(asking);
    }
  }
  co_return Outcome{};
}

Task<Outcome> Deliverer::send(Order const& order, Opened& opened, std::uint32_t tries) {
  if (order.provider == nullptr) co_return ended(order, opened.found.attempt, "skipped", "not_configured");
  std::string_view skip;
  auto const message = compose(order, opened, skip);
  if (message) skip = limit_of(settings_, order.plan.channel, opened.kind, message->recipient, opened.sent_today);
  if (!skip.empty()) co_return ended(order, opened.found.attempt, "skipped", std::string{skip});

  Pause const pause = [&](auto duration) { return await_turn(order, opened, duration); };
  auto waiting = order.provider->await_turn(*message, pause);
  auto const no_turn = co_await std::move(waiting);
  auto const attempt = opened.found.attempt;  // planned by now, if it had to wait
  if (no_turn) co_return refused(order, attempt, tries, *no_turn, false);

  OMNIBUS_FAILPOINT("notify.ready");
  auto const begun = std::chrono::steady_clock::now();
  if (!OMNIBUS_MUTATED("dispatching")) {
    // If its commit is lost in an outage, this process knows that nothing was sent.
    unsent_.insert_or_assign(order.plan.effect_key, attempt);
    auto dispatching = dispatch(order, opened);
    auto const verdict = co_await std::move(dispatching);
    unsent_.erase(order.plan.effect_key);
    if (verdict == Clearance::capped) co_return ended(order, attempt, "skipped", "spend_cap");
    if (verdict == Clearance::opted_out) co_return ended(order, attempt, "skipped", "opted_out");
    if (verdict == Clearance::lost) co_return later("another process has claimed it", shortly);
  }
  OMNIBUS_FAILPOINT("notify.dispatched");
  // The lease must last until the answer can be there: after that the worker may count as crashed, and the provider is
  // asked whether it has the message. The sending began after `begun`, from which the lease is measured.
  if (std::chrono::steady_clock::now() - begun > settings_.claim_lease - settings_.send.deadline)
    co_return refused(order, attempt, tries, too_late(), true);
  auto sending = order.provider->send(*message);
  auto result = co_await std::move(sending);
  OMNIBUS_FAILPOINT("notify.sent");
  auto outcome = read_result(order, attempt, tries, result);
  if (!outcome.ending.state.empty()) outcome.ending.content = words_of(order, *message);
  co_return outcome;
}

Outcome Deliverer::read_result(Order const& order, std::int32_t attempt, std::uint32_t tries,
                               SendResult const& result) const {
  if (auto const* const accepted = std::get_if<Accepted>(&result)) {
    auto outcome = ended(order, attempt, "accepted", {});
    outcome.ending.provider_message_id = accepted->provider_message_id;
    return outcome;
  }
  if (auto const* const refusal = std::get_if<Refused>(&result)) return refused(order, attempt, tries, *refusal, true);
  auto const& reason = std::get<Unknown>(result).reason;
  auto const abilities = order.provider->capabilities();
  if (!exhausted(tries)) {
    // It stays dispatching: the next attempt finds it so, and resolves it.
    if (without_answer(abilities, policy(order)) == Step::resend) return again(reason, std::nullopt);
    if (abilities.look_up) return again(reason, between_look_ups);
  }
  return ended(order, attempt, "in_doubt", reason);
}

Outcome Deliverer::refused(Order const& order, std::int32_t attempt, std::uint32_t tries, Refused const& refusal,
                           bool dispatched) const {
  auto const transient = refusal.kind != Refused::Kind::permanent;
  // If the provider accepts nothing, or no more for now, or nothing was tried, the message is not at fault.
  auto const blameless = transient && (refusal.of_provider || refusal.kind == Refused::Kind::throttled || !dispatched);
  auto const gives_up = blameless ? overdue(order) : exhausted(tries);
  auto const once_more = transient && !gives_up;
  auto outcome = ended(order, attempt, once_more ? "planned" : "failed",
                       blameless && gives_up ? "given up after SEND_GIVE_UP_AFTER: " + refusal.reason : refusal.reason);
  outcome.ending.error_code = refusal.code;
  outcome.ending.error_class = transient ? "transient" : "permanent";
  if (!once_more) return outcome;
  // Not dispatched, so it is claimed by us, or will be.
  if (!dispatched) outcome.ending = {};
  outcome.kind = blameless ? Outcome::Kind::later : Outcome::Kind::again;
  outcome.reason = order.plan.channel + ": " + refusal.reason;
  outcome.retry_after = refusal.retry_after;
  return outcome;
}

Task<Outcome> Deliverer::send_again(Order const& order, Opened& opened, std::uint32_t tries) {
  if (exhausted(tries)) co_return ended(order, opened.found.attempt, "in_doubt", "it was sent too often to no end");
  auto claiming = store_.claim_again(order.plan, opened.found.attempt);
  auto const claimed = co_await std::move(claiming);
  if (!claimed) co_return later("the delivery has moved on", shortly);
  ++opened.found.attempt;
  auto sending = send(order, opened, tries);
  co_return co_await std::move(sending);
}

Task<Outcome> Deliverer::ask(Order const& order, Opened& opened, std::uint32_t tries) {
  std::string_view skip;
  auto const message = compose(order, opened, skip);
  if (!message) co_return ended(order, opened.found.attempt, "in_doubt", "its worker died while it was on its way");
  auto asking = order.provider->look_up(*message, opened.dispatched_at);
  auto const answer = co_await std::move(asking);
  EqualMessages equal;
  if (answer.state == LookUp::State::accepted) {
    auto comparing = store_.compare(order.plan, message->recipient, answer.provider_message_ids);
    equal = co_await std::move(comparing);
  }
  auto const ambiguous = equal.free.size() > 1 || (equal.contested && !equal.free.empty());
  if (equal.free.size() == 1 && !ambiguous) {
    auto outcome = ended(order, opened.found.attempt, "accepted", "the provider has it");
    outcome.ending.provider_message_id = equal.free.front();
    co_return outcome;
  }
  if (ambiguous || answer.state == LookUp::State::unknown ||
      (answer.state == LookUp::State::accepted && !answer.settled)) {
    auto const reason = ambiguous               ? "the provider has equal messages, of which it may be one"
                        : answer.reason.empty() ? "too early to say"
                                                : answer.reason;
    if (!exhausted(tries)) co_return again(reason, between_look_ups);
    if (policy(order) == DeliveryPolicy::at_most_once) co_return ended(order, opened.found.attempt, "in_doubt", reason);
  }
  auto sending = send_again(order, opened, tries);
  co_return co_await std::move(sending);
}

std::optional<OutboundMessage> Deliverer::compose(Order const& order, Opened const& opened,
                                                  std::string_view& skip) const {
  auto const& plan = order.plan;
  auto way = find_way(opened.person, plan.channel, opened.kind, !settings_.whatsapp_template_name.empty(),
                      order.expires_ms, wall_clock_ms());
  skip = way.skip;
  if (!skip.empty()) return std::nullopt;
  OutboundMessage message;
  message.effect_key = plan.effect_key;
  message.recipient = std::move(way.recipient);
  if (way.by_template) {
    message.content_template =
        Template{settings_.whatsapp_template_name, settings_.whatsapp_template_language, {order.template_parameter}};
  } else {
    message.text = opened.content.value_or(order.text);
  }
  return message;
}

/// The text to send now; for a person who may not be written to any more, the text that would have been sent.
std::string Deliverer::words(Order const& order, Opened const& opened) const {
  std::string_view skip;
  auto const message = compose(order, opened, skip);
  return message ? words_of(order, *message) : opened.content.value_or(order.text);
}

DeliveryPolicy Deliverer::policy(Order const& order) const {
  return order.plan.channel == "sms" ? settings_.sms_delivery_policy : settings_.whatsapp_delivery_policy;
}

bool Deliverer::exhausted(std::uint32_t tries) const {
  return tries >= static_cast<std::uint32_t>(settings_.send_max_attempts);
}

bool Deliverer::overdue(Order const& order) const {
  return order.asked_ms && wall_clock_ms() - *order.asked_ms > settings_.send_give_up_after.count();
}

}  // namespace omnibus::notify
