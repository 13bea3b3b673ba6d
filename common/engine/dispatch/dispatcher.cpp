#include "engine/dispatch/dispatcher.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/unordered/unordered_flat_set.hpp>

namespace omnibus::engine {
namespace {

constexpr std::size_t most_runs = 2;                  // being read; one is on its way while the other is taken in
constexpr std::chrono::seconds long_wait{2};          // longer than to read a record again
constexpr std::chrono::milliseconds read_pause{500};  // after a failure
constexpr std::size_t most_before_drained = 512;      // records that a drain starts for the sake of a simple position

}  // namespace

Dispatcher::Dispatcher(boost::asio::io_context& loop, Settings settings, Processor& processor)
    : loop_{loop},
      settings_{settings},
      processor_{processor},
      residency_{settings.max_bytes, lanes_},
      ready_{settings.max_in_flight, settings.max_working_bytes},
      gate_{settings.first_outage_delay, settings.longest_outage_delay},
      timer_{loop} {}

void Dispatcher::submit(Delivery& delivery) {
  ++delivery.partition->alive;
  auto const is_head = lanes_.push(delivery);
  // A key belongs to one tenant.
  auto const& head = *lanes_.of(delivery).head;
  auto const owner = is_head || settings_.has_routes ? processor_.owner_of(delivery) : Owner{head.tenant, head.route};
  delivery.tenant = owner.tenant;
  delivery.route = owner.route;
  residency_.admit(delivery);
  if (is_head) make_ready(delivery);
}

void Dispatcher::make_ready(Delivery& delivery) {
  auto& partition = *delivery.partition;
  if (partition.gives_back(delivery)) return leave(delivery, false);
  if (delivery.residence == Residence::gone) {
    miss(delivery);
    return leave(delivery, true);
  }
  delivery.stalled = delivery.residence != Residence::loaded;
  if (delivery.residence == Residence::unloaded) residency_.want(delivery);
  if (delivery.stalled) return;
  if (partition.open)
    ready_.push(delivery);
  else
    partition.held.push_back(&delivery);
}

/// Retention or an operator removed the record before its turn came: there is nothing left to handle.
void Dispatcher::miss(Delivery& delivery) {
  delivery.partition->note_started(delivery);
  processor_.missed(delivery);
}

void Dispatcher::open(Partition& partition) {
  partition.open = true;
  for (auto* const delivery : std::exchange(partition.held, {})) ready_.push(*delivery);
  pump();
}

void Dispatcher::close(Partition& partition) {
  partition.open = false;
  // At once, and not when their turn comes: later arrivals are held behind them. Of a drain they are given back.
  for (auto* const delivery : ready_.take_back(partition)) make_ready(*delivery);
}

/// What runs ends, and with it what lies before it, so that the position alone says what is finished. But where tenants
/// take turns there may be a tenant's whole backlog before it: then only what runs ends, and what is finished beyond
/// the position is said with it (DoneAhead), or else by the inbox.
OffsetFrontier::Sequence Dispatcher::limit_of_drain(Partition const& partition) const {
  auto const& frontier = partition.frontier;
  auto const before = partition.started - std::min(partition.started, frontier.base());
  return before > frontier.ahead() + in_flight_ + most_before_drained ? 0 : partition.started;
}

void Dispatcher::drain(Partition& partition) {
  partition.drain_limit = std::min(partition.drain_limit, limit_of_drain(partition));
  auto held = std::exchange(partition.held, {});
  for (auto* const delivery : held) make_ready(*delivery);
  for (auto* const delivery : ready_.take_back(partition)) make_ready(*delivery);
  for (auto* const delivery : retries_.take_if([&](Delivery const& each) { return each.partition == &partition; })) {
    delivery->waiting = false;
    make_ready(*delivery);
  }
  for (auto* const delivery : residency_.take_back(partition)) make_ready(*delivery);
  pump();
  arm();
}

void Dispatcher::drop(Partition& partition) {
  partition.lost = true;
  drain(partition);
}

bool Dispatcher::may_start() {
  return runners_ < settings_.max_in_flight + aside_ && ready_.next(Clock::now) != nullptr;
}

void Dispatcher::pump() {
  read_more();
  if (pump_posted_ || !may_start()) return;
  if (!gate_.open() && Clock::now() < gate_.probe_at().value_or(Clock::time_point::max())) return arm();
  // One runner at a time: a runner whose deliveries never suspend empties the whole queue alone, and the next is only
  // started once this one has suspended.
  pump_posted_ = true;
  boost::asio::post(loop_, [this] {
    pump_posted_ = false;
    if (!may_start()) return;
    ++runners_;
    boost::asio::co_spawn(loop_, run(), boost::asio::detached);
  });
}

Task<> Dispatcher::run() {
  while (runners_ <= settings_.max_in_flight + aside_) {
    auto* const delivery = next();
    if (delivery == nullptr) break;
    pump();
    ++in_flight_;
    auto attempt = processor_.process(*delivery);
    auto const verdict = co_await std::move(attempt);
    --in_flight_;
    step_back(*delivery);
    ready_.ended(*delivery);
    settle(*delivery, verdict);
  }
  --runners_;
}

void Dispatcher::step_aside(Delivery& delivery) {
  if (std::exchange(delivery.aside, true)) return;
  ++aside_;
  ready_.step_aside(delivery);
  pump();
}

void Dispatcher::step_back(Delivery& delivery) {
  if (!std::exchange(delivery.aside, false)) return;
  --aside_;
  ready_.step_back(delivery);
}

void Dispatcher::work_in(Delivery& delivery, std::size_t bytes) {
  ready_.work_in(delivery, bytes);
  pump();
}

Delivery* Dispatcher::next() {
  while (auto* const first = ready_.next(Clock::now)) {
    auto& delivery = *first;
    auto& partition = *delivery.partition;
    if (!partition.open || partition.gives_back(delivery)) {
      ready_.drop();
      make_ready(delivery);
      continue;
    }
    if (!gate_.open() && !gate_.admit(Clock::now())) {
      arm();
      return nullptr;
    }
    ready_.take();
    ready_.started(delivery);
    partition.note_started(delivery);
    return &delivery;
  }
  return nullptr;
}

void Dispatcher::settle(Delivery& delivery, Verdict verdict) {
  if (verdict.kind == Verdict::Kind::outage) {
    auto const probed = gate_.probing();
    gate_.outage(Clock::now());
    // Back to the front: the outage must not cost it its turn. But another event probes next: an event that causes its
    // own outage must not keep the gate closed for all.
    if (delivery.partition->lost)
      leave(delivery, false);
    else if (probed)
      ready_.push(delivery);
    else
      ready_.push_front(delivery);
    arm();
    return;
  }
  if (gate_.passed()) {
    pump();
    arm();
  }
  switch (verdict.kind) {
    case Verdict::Kind::done:
      return leave(delivery, true);
    case Verdict::Kind::hold:
      return make_ready(delivery);
    default:
      break;
  }
  auto& partition = *delivery.partition;
  if (verdict.kind == Verdict::Kind::abandon || !partition.wanted()) {
    // No later offset can be committed any more, and later events of its key must not overtake it.
    auto const drained = partition.draining();
    partition.give_up_from(delivery);
    if (!drained) drain(partition);
    return leave(delivery, false);
  }
  if (verdict.kind == Verdict::Kind::defer) return put_away(delivery, verdict.delay);
  delivery.waiting = true;
  if (verdict.delay >= long_wait) residency_.put_off(delivery);
  retries_.add(Clock::now() + verdict.delay, delivery);
  arm();
}

void Dispatcher::leave(Delivery& delivery, bool finished) {
  auto const* const given_up = finished ? nullptr : delivery.partition;
  auto* const following = pop(delivery);
  processor_.left(delivery, finished);
  follow(following, given_up);
}

/// @return the next of its key
Delivery* Dispatcher::pop(Delivery& head) {
  auto* const following = lanes_.pop(head);
  --head.partition->alive;
  residency_.release(head);
  return following;
}

/// The first of its key has left. Nothing of `given_up`, the partition whose delivery it did not finish, may overtake
/// it: behind a row there can be deliveries that a drain would else finish.
void Dispatcher::follow(Delivery* following, Partition const* given_up) {
  // A loop, not a recursion: a whole queue behind the head may have to leave with a dropped partition.
  while (following != nullptr) {
    auto const finished = following->partition != given_up && !following->partition->gives_back(*following);
    if (!finished) given_up = following->partition;
    if (finished && following->residence != Residence::gone) {
      if (following->residence == Residence::loaded) residency_.look_ahead(*following);
      make_ready(*following);
      break;
    }
    if (finished) miss(*following);
    auto& leaving = *following;
    following = pop(leaving);
    processor_.left(leaving, finished);
  }
  read_more();
}

void Dispatcher::empty_lane(Delivery& head, std::vector<Delivery*>& taken) {
  auto const first = taken.size();
  taken.push_back(&head);
  lanes_.take_behind(
      head, [&](Delivery const& each) { return each.partition == head.partition; }, taken);
  for (auto i = first + 1; i < taken.size(); ++i) {
    --taken[i]->partition->alive;
    residency_.release(*taken[i]);
  }
}

void Dispatcher::put_away(Delivery& delivery, std::chrono::milliseconds delay) {
  std::vector<Delivery*> lane;
  empty_lane(delivery, lane);
  auto* const following = pop(delivery);
  processor_.put_away(lane, delay);
  follow(following);
}

std::vector<Delivery*> Dispatcher::take_back(Partition& partition, std::span<std::uint64_t const> key_hashes) {
  std::vector<Delivery*> taken;
  std::vector<Delivery*> following;
  for (auto const key_hash : key_hashes) {
    auto* const head = lanes_.head_of(key_hash);
    if (head == nullptr) continue;
    if (head->partition == &partition) {
      empty_lane(*head, taken);
      following.push_back(pop(*head));
      continue;
    }
    // An earlier time that the partition was owned has left something.
    auto const first = taken.size();
    lanes_.take_behind(
        *head, [&](Delivery const& each) { return each.partition == &partition; }, taken);
    for (auto i = first; i < taken.size(); ++i) {
      --partition.alive;
      residency_.release(*taken[i]);
    }
  }
  boost::unordered_flat_set<Delivery const*> const gone(taken.begin(), taken.end());
  std::erase_if(partition.held, [&](Delivery const* each) { return gone.contains(each); });
  for (auto* const each : following) follow(each);
  return taken;
}

void Dispatcher::read_more() {
  while (residency_.wanted() > 0 && residency_.runs() < most_runs) {
    auto const run = residency_.next_run(Clock::now());
    if (run.empty()) return;
    processor_.read_again(run);
  }
}

void Dispatcher::reread(std::vector<Reread> records) {
  auto const again = Clock::now() + read_pause;
  for (std::size_t i = 0; i < records.size(); ++i) {
    // Looked up each time: it may leave because of one before it.
    auto* const delivery = residency_.oldest_run()[i];
    if (delivery == nullptr) continue;
    switch (records[i].kind) {
      case Reread::Kind::read:
        residency_.loaded(*delivery, std::move(records[i].record));
        break;
      case Reread::Kind::gone:
        residency_.gone(*delivery);
        break;
      case Reread::Kind::failed:
        residency_.failed(*delivery, again);
        break;
    }
    if (delivery->stalled) make_ready(*delivery);
  }
  residency_.end_oldest_run();
  pump();
}

void Dispatcher::arm() {
  auto when = retries_.earliest().value_or(Clock::time_point::max());
  // Without anything to probe with, or while a probe is running, no timer is needed.
  if (may_start()) when = std::min(when, gate_.probe_at().value_or(when));
  if (when == Clock::time_point::max()) {
    // Its deliveries were drained: a timer that is left would keep the loop from ending.
    if (std::exchange(armed_for_, when) != when) timer_.cancel();
    return;
  }
  if (when >= armed_for_ && armed_for_ > Clock::now()) return;
  armed_for_ = when;
  timer_.expires_at(when);
  timer_.async_wait([this](boost::system::error_code const& error) {
    if (!error) on_timer();
  });
}

void Dispatcher::on_timer() {
  armed_for_ = Clock::time_point::max();
  auto const now = Clock::now();
  while (auto* const due = retries_.pop_due(now)) {
    due->waiting = false;
    make_ready(*due);
  }
  pump();
  arm();
}

}  // namespace omnibus::engine
