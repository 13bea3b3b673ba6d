/// The ledger of deliveries in memory.
#pragma once

#include "workers/notify/store.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace omnibus::notify::test {

/// What is stored. A plain value, so that a FakeContext can put it back when a commit fails.
struct Deliveries {
  struct Row {
    DeliveryPlan plan;
    std::string state;
    std::int32_t attempt = 1;
    bool unsure = false;     ///< nobody knows what became of an earlier attempt
    std::string claimed_by;  ///< empty: nobody
    bool lease_over = false;
    std::optional<Ending> answer;  ///< of this attempt, left by the worker that made it
    std::chrono::system_clock::time_point dispatched_at{};
    Ending last{};  ///< what was settled last
  };
  std::map<Uuid, Row> rows;               ///< by effect key
  std::map<Uuid, std::string> asked_for;  ///< what the log says of messages that have no row: planned, or failed
  std::map<Uuid, Person> people;
  std::map<std::string, bool> tenants;  ///< whether each is active
  std::int64_t spent_micros = 0;
  std::optional<std::int64_t> cap_micros;
  SentToday sent_today{};             ///< to each person
  bool refuse_next_dispatch = false;  ///< of a new message: nothing is written
  bool lose_next_commit = false;      ///< the next message is dispatched, but who does it is told that it is not
  bool away = false;                  ///< nothing can be opened

  /// The workers that have claimed something are dead, and their leases are over.
  void end_leases() {
    for (auto& [key, row] : rows) row.lease_over = true;
  }
  bool wants_none(DeliveryPlan const& plan) const {
    if (plan.kind == "opt_out" || plan.kind == "opt_in" || plan.kind == "help") return false;
    auto const found = people.find(plan.profile_id);
    if (found == people.end()) return false;
    return plan.channel == "sms" ? found->second.sms_opt_out : found->second.whatsapp_opt_out;
  }
};

/// Whether a state follows another within an attempt, as pipeline.delivery_may_become.
inline bool may_become(std::string_view from, std::string_view to) {
  auto const any = [&](std::set<std::string_view> const& states) { return states.contains(to); };
  if (from == "planned") return any({"claimed", "skipped", "failed", "accepted", "delivered", "read"});
  if (from == "claimed") return any({"dispatching", "skipped", "failed", "in_doubt", "accepted", "delivered", "read"});
  if (from == "dispatching") return any({"in_doubt", "accepted", "failed", "delivered", "read"});
  if (from == "in_doubt") return any({"accepted", "failed", "delivered", "read"});
  if (from == "accepted") return any({"failed", "delivered", "read"});
  if (from == "failed") return any({"delivered", "read"});
  return from == "delivered" && to == "read";
}

/// One claimant of them.
class FakeDeliveries final : public DeliveryStore {
 public:
  explicit FakeDeliveries(Deliveries& ledger, std::string claimant = "a")
      : ledger_{ledger}, claimant_{std::move(claimant)} {}

  Task<Opened> look(DeliveryPlan const& plan) override {
    if (ledger_.away) throw Failure::outage("the ledger is away");
    Opened opened;
    auto const tenant = ledger_.tenants.find(plan.domain);
    auto const person = ledger_.people.find(plan.profile_id);
    opened.known_tenant = tenant != ledger_.tenants.end();
    opened.active_tenant = opened.known_tenant && tenant->second;
    opened.known_person = person != ledger_.people.end();
    if (opened.known_person) opened.person = person->second;
    opened.kind = plan.kind;
    opened.sent_today = ledger_.sent_today;
    auto const found = ledger_.rows.find(plan.effect_key);
    opened.planned = found != ledger_.rows.end();
    if (opened.planned)
      describe(found->second, opened);
    else
      opened.found.claimed = true;
    co_return opened;
  }

  Task<Opened> open(DeliveryPlan const& plan) override {
    auto looking = look(plan);
    auto opened = co_await std::move(looking);
    opened.found.claimed = false;
    if (!opened.active_tenant || !opened.known_person) co_return opened;
    auto& row = ledger_.rows[plan.effect_key];
    auto const claimable = row.state.empty() || row.state == "planned" ||
                           (row.state == "claimed" && (row.claimed_by == claimant_ || row.lease_over));
    if (claimable) claim(row, plan);
    opened.planned = true;
    opened.found.claimed = claimable;
    co_return opened;
  }

  Task<Clearance> dispatch(Departure const& departure) override {
    auto& row = ledger_.rows.at(departure.effect_key);
    auto const on_its_way = row.state == "dispatching";
    if (row.claimed_by != claimant_ || row.attempt != departure.attempt || (!on_its_way && row.state != "claimed"))
      co_return Clearance::lost;
    if (!on_its_way) {
      if (ledger_.wants_none(row.plan)) co_return Clearance::opted_out;
      auto const total = ledger_.spent_micros + row.plan.cost_micros;
      if (ledger_.cap_micros && total > *ledger_.cap_micros) co_return Clearance::capped;
      ledger_.spent_micros = total;
    }
    row.state = "dispatching";
    row.dispatched_at = std::chrono::system_clock::now();
    row.lease_over = false;
    co_return Clearance::go;
  }

  Task<Clearance> dispatch_new(NewDeparture const& departure) override {
    if (std::exchange(ledger_.refuse_next_dispatch, false)) throw Failure::outage("the database refused it");
    auto const& plan = departure.plan;
    if (!ledger_.rows.contains(plan.effect_key)) {
      auto opening = open(plan);
      auto const opened = co_await std::move(opening);
      if (!opened.planned) co_return Clearance::lost;
    }
    if (std::exchange(ledger_.lose_next_commit, false)) {
      ledger_.rows[plan.effect_key].state = "dispatching";
      throw Failure::outage("the connection was lost");
    }
    auto const first = Departure{plan.effect_key, 1, departure.subject_keys};
    auto dispatching = dispatch(first);
    co_return co_await std::move(dispatching);
  }

  Task<bool> claim_again(DeliveryPlan const& plan, std::int32_t attempt) override {
    auto& row = ledger_.rows.at(plan.effect_key);
    if (row.state != "dispatching" || row.attempt != attempt || (row.claimed_by != claimant_ && !row.lease_over))
      co_return false;
    claim(row, plan);
    row.unsure = true;
    ++row.attempt;
    co_return true;
  }

  Task<EqualMessages> compare(DeliveryPlan const& plan, std::string const&,
                              std::vector<std::string> const& ids) override {
    EqualMessages equal;
    for (auto const& id : ids) {
      auto const* const row = find_by_id(plan.provider, id);
      if (row == nullptr || row->plan.effect_key == plan.effect_key) equal.free.push_back(id);
    }
    for (auto const& [key, row] : ledger_.rows)
      if (key != plan.effect_key && row.plan.profile_id == plan.profile_id && !row.last.provider_message_id &&
          (row.state == "dispatching" || row.state == "in_doubt"))
        equal.contested = true;
    co_return equal;
  }

  Task<> leave_answers(std::vector<Ending> const& endings) override {
    for (auto const& ending : endings) {
      auto& row = ledger_.rows.at(ending.effect_key);
      if (row.state == "dispatching" && row.attempt == ending.attempt && row.claimed_by == claimant_)
        row.answer = ending;
    }
    co_return;
  }

  void settle(UnitOfWork&, Ending const& ending, Entered then) override { then(settle_one(ending)); }

  std::optional<Moved> receive(UnitOfWork&, DeliveryReceiptReceived const& receipt) override {
    auto* row = receipt.provider_message_id ? find_by_id(receipt.provider, *receipt.provider_message_id) : nullptr;
    if (receipt.effect_key) {
      auto const found = ledger_.rows.find(parse_uuid(*receipt.effect_key).value_or(Uuid{}));
      if (found != ledger_.rows.end()) row = &found->second;
    }
    auto const state = receipt.status == "sent" ? "accepted" : receipt.status;
    if (row == nullptr || !may_become(row->state, state)) return std::nullopt;
    Moved moved{row->state,
                state,
                row->plan.request_id,
                row->plan.domain,
                row->plan.profile_id,
                row->plan.channel,
                {},
                {},
                {},
                receipt.error_code.value_or("")};
    moved.provider = row->plan.provider;
    moved.provider_message_id = row->last.provider_message_id.value_or(to_string(row->plan.effect_key));
    row->state = state;
    return moved;
  }

  std::optional<double> seconds_since_inbound_sms(UnitOfWork&, Uuid const&) override { return std::nullopt; }

  std::vector<Abandoned> give_up(UnitOfWork&, std::vector<Uuid> const& effect_keys, Failure const& failure) override {
    std::vector<Abandoned> abandoned;
    for (auto const& key : effect_keys) {
      auto const row = ledger_.rows.find(key);
      if (row != ledger_.rows.end() && (row->second.state == "planned" || row->second.state == "claimed")) {
        row->second.state = "claimed";
        Ending ending{key, row->second.attempt, "failed", {}, std::string{given_up}, failure.error_class(), {}, {}};
        for (auto& state : settle_one(ending)) abandoned.push_back({key, std::move(state)});
      }
      auto const asked = ledger_.asked_for.find(key);
      if (row == ledger_.rows.end() && asked != ledger_.asked_for.end() && asked->second == "planned") {
        asked->second = "failed";
        abandoned.push_back({key, "failed"});
      }
    }
    return abandoned;
  }

 private:
  void describe(Deliveries::Row const& row, Opened& opened) const {
    opened.found.state = row.state;
    opened.found.attempt = row.attempt;
    if (row.claimed_by != claimant_ && !row.lease_over) opened.found.lease_left = std::chrono::seconds{45};
    opened.found.answered = row.answer && row.answer->attempt == row.attempt;
    if (opened.found.answered) opened.answer = *row.answer;
    opened.provider = row.plan.provider;
    opened.dispatched_at = row.dispatched_at;
    if (row.attempt > 1) opened.content = row.last.content;
  }

  void claim(Deliveries::Row& row, DeliveryPlan const& plan) const {
    row.plan = plan;
    row.state = "claimed";
    row.claimed_by = claimant_;
    row.lease_over = false;
  }

  Deliveries::Row* find_by_id(std::string_view provider, std::string_view id) const {
    for (auto& [key, row] : ledger_.rows)
      if (row.plan.provider == provider && row.last.provider_message_id == id) return &row;
    return nullptr;
  }

  /// As pipeline.settle_delivery.
  std::vector<std::string> settle_one(Ending const& ending) const {
    auto& row = ledger_.rows.at(ending.effect_key);
    if (row.attempt != ending.attempt && ending.state != "accepted") return {};
    auto state = ending.state;
    auto const on_its_way = row.state == "dispatching";
    if (on_its_way && (state == "planned" || state == "failed")) ledger_.spent_micros -= row.plan.cost_micros;
    if (row.unsure && (state == "failed" || state == "skipped")) state = "in_doubt";
    if (state == "planned") {
      if (!on_its_way) return {};
      ++row.attempt;
      row.claimed_by.clear();
    } else if (!may_become(row.state, state)) {
      return {};
    }
    row.state = state;
    row.last = ending;
    return {state};
  }

  Deliveries& ledger_;
  std::string const claimant_;
};

}  // namespace omnibus::notify::test
