#include "engine/dispatch/dispatcher.hpp"

#include <algorithm>
#include <functional>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>

namespace omnibus::engine {

Dispatcher::Dispatcher(boost::asio::io_context& loop, Settings settings, Processor& processor)
    : loop_{loop},
      settings_{settings},
      processor_{processor},
      gate_{settings.first_outage_delay, settings.longest_outage_delay},
      timer_{loop} {}

void Dispatcher::submit(Delivery& delivery) {
  ++delivery.partition->alive;
  if (lanes_.push(delivery)) make_ready(delivery);
}

void Dispatcher::make_ready(Delivery& delivery) {
  auto& partition = *delivery.partition;
  if (partition.gives_back(delivery.sequence)) return leave(delivery, false);
  if (partition.open)
    ready_.push_back(&delivery);
  else
    partition.held.push_back(&delivery);
}

void Dispatcher::open(Partition& partition) {
  partition.open = true;
  ready_.insert(ready_.end(), partition.held.begin(), partition.held.end());
  partition.held.clear();
  pump();
}

void Dispatcher::close(Partition& partition) {
  partition.open = false;
  // At once, and not when their turn comes: later arrivals are held behind them.
  auto const closed = [&](Delivery const* each) { return each->partition == &partition; };
  auto const first = std::stable_partition(ready_.begin(), ready_.end(), std::not_fn(closed));
  partition.held.insert(partition.held.begin(), first, ready_.end());
  ready_.erase(first, ready_.end());
}

void Dispatcher::drain(Partition& partition) {
  partition.drain_limit = std::min(partition.drain_limit, partition.started);
  auto held = std::exchange(partition.held, {});
  for (auto* const delivery : held) make_ready(*delivery);
  auto ready = std::exchange(ready_, {});
  for (auto* const delivery : ready) {
    if (delivery->partition == &partition)
      make_ready(*delivery);
    else
      ready_.push_back(delivery);
  }
  for (auto* const delivery : retries_.take_if([&](Delivery const& each) { return each.partition == &partition; })) {
    delivery->waiting = false;
    make_ready(*delivery);
  }
  pump();
  arm();
}

void Dispatcher::drop(Partition& partition) {
  partition.lost = true;
  drain(partition);
}

void Dispatcher::pump() {
  if (ready_.empty() || runners_ >= settings_.max_in_flight) return;
  if (!gate_.open() && Clock::now() < gate_.probe_at().value_or(Clock::time_point::max())) return arm();
  if (pump_posted_) return;
  // One runner at a time: a runner whose deliveries never suspend empties the whole queue alone, and the next is only
  // started once this one has suspended.
  pump_posted_ = true;
  boost::asio::post(loop_, [this] {
    pump_posted_ = false;
    if (ready_.empty() || runners_ >= settings_.max_in_flight) return;
    ++runners_;
    boost::asio::co_spawn(loop_, run(), boost::asio::detached);
  });
}

Task<> Dispatcher::run() {
  while (auto* const delivery = next()) {
    pump();
    ++in_flight_;
    auto attempt = processor_.process(*delivery);
    auto const verdict = co_await std::move(attempt);
    --in_flight_;
    settle(*delivery, verdict);
  }
  --runners_;
}

Delivery* Dispatcher::next() {
  while (!ready_.empty()) {
    auto& delivery = *ready_.front();
    auto& partition = *delivery.partition;
    if (!partition.open || partition.gives_back(delivery.sequence)) {
      ready_.pop_front();
      make_ready(delivery);
      continue;
    }
    if (!gate_.open() && !gate_.admit(Clock::now())) {
      arm();
      return nullptr;
    }
    ready_.pop_front();
    partition.started = std::max(partition.started, delivery.sequence + 1);
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
    else
      ready_.insert(probed ? ready_.end() : ready_.begin(), &delivery);
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
    partition.drain_limit = std::min(partition.drain_limit, delivery.sequence);
    if (!drained) drain(partition);
    return leave(delivery, false);
  }
  delivery.waiting = true;
  retries_.add(Clock::now() + verdict.delay, delivery);
  arm();
}

void Dispatcher::leave(Delivery& delivery, bool finished) {
  // A loop, not a recursion: a whole queue behind the head may have to leave with a dropped partition.
  auto* leaving = &delivery;
  while (leaving != nullptr) {
    auto* const following = lanes_.pop(*leaving);
    --leaving->partition->alive;
    processor_.left(*leaving, finished);
    leaving = nullptr;
    if (following == nullptr) return;
    if (!following->partition->gives_back(following->sequence)) return make_ready(*following);
    leaving = following;
    finished = false;
  }
}

void Dispatcher::arm() {
  auto when = retries_.earliest().value_or(Clock::time_point::max());
  // Without anything to probe with, or while a probe is running, no timer is needed.
  if (!ready_.empty()) when = std::min(when, gate_.probe_at().value_or(when));
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
