#include "workers/notify/handler.hpp"

#include "concurrency/signal.hpp"
#include "handler/classify.hpp"
#include "handler/failure.hpp"
#include "messaging/sms_text.hpp"
#include "messaging/whatsapp_text.hpp"
#include "observability/metrics.hpp"
#include "time/time.hpp"
#include "workers/notify/request_turns.hpp"
#include "workers/notify/results.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/this_coro.hpp>

namespace omnibus::notify {
namespace {

Result result_of(DeliveryPlan const& plan, Ending const& ending, std::string state) {
  return {std::move(state),
          plan.domain,
          plan.request_id,
          plan.profile_id,
          plan.channel,
          plan.provider,
          ending.provider_message_id.value_or(to_string(plan.effect_key)),
          plan.segments,
          ending.error_code.value_or(""),
          ending.reason.value_or(""),
          format_time_ms(wall_clock_ms())};
}

std::string_view name_of(Provider const* provider) {
  return provider != nullptr ? provider->name() : "none";
}

/// The endings that a step writes: part of its name, as each is written once.
std::string step_of(std::vector<Order> const& orders, std::vector<Outcome> const& outcomes) {
  std::string step = "settle";
  for (std::size_t i = 0; i < outcomes.size(); ++i)
    step.append("/")
        .append(orders[i].plan.channel)
        .append(" ")
        .append(outcomes[i].ending.state)
        .append(std::to_string(outcomes[i].ending.attempt));
  return step;
}

/// Of the deliveries to retry, the one that sets the time: a message that failed itself, else the shortest wait.
Outcome const* waiting_for(std::vector<Outcome> const& outcomes) {
  Outcome const* soonest = nullptr;
  for (auto const& outcome : outcomes) {
    if (outcome.kind == Outcome::Kind::again) return &outcome;
    // Those without a time come before those with one.
    if (outcome.kind == Outcome::Kind::later && (soonest == nullptr || outcome.retry_after < soonest->retry_after))
      soonest = &outcome;
  }
  return soonest;
}

bool is_permanent(std::exception_ptr const& error) {
  auto const failure = classify(error);
  return failure && failure->kind() == Failure::Kind::permanent;
}

std::unique_ptr<Providers> make_providers(Resources& resources, NotifySettings const& settings) {
  if (resources.replay) return nullptr;
  check(settings, resources.max_attempts);
  ProviderSettings of_loop = settings;
  of_loop.send.connections =
      static_cast<std::int32_t>(resources.place.part_of(static_cast<std::size_t>(settings.send.connections)));
  return std::make_unique<ConfiguredProviders>(
      resources.loop, of_loop, std::make_unique<senders::SenderDirectory>(resources.pool, settings.sender_refresh),
      resources.shared->get<SendGuards>("senders", [&] { return std::make_shared<SendGuards>(settings); }));
}

/// Of the deliveries' exceptions, the one by which the request is retried.
void keep(std::exception_ptr& failed, std::exception_ptr const& error) {
  if (!failed || is_permanent(failed)) failed = error;
}

}  // namespace

NotifyHandler::NotifyHandler(Resources& resources, NotifySettings const& settings)
    : NotifyHandler{settings, std::make_unique<PostgresDeliveries>(resources.loop, resources.pool, settings),
                    make_providers(resources, settings)} {}

NotifyHandler::NotifyHandler(NotifySettings const& settings, std::unique_ptr<DeliveryStore> store,
                             std::unique_ptr<Providers> providers)
    : settings_{settings}, store_{std::move(store)}, providers_{std::move(providers)}, deliverer_{*store_, settings} {}

Task<> NotifyHandler::handle(Context& context, NotificationRequested const& request) {
  if (context.replaying()) co_return context.pass_over("a replay sends nothing");
  auto refreshing = providers_->refresh();
  co_await std::move(refreshing);
  std::vector<Order> orders;
  for (auto const& channel : request.channels) orders.push_back(make_order(context, request, channel));
  RequestTurns turns{context, orders.size()};
  for (auto& order : orders) order.pause = [&turns](auto duration) { return turns.pause(duration); };
  auto const dual = orders.size() > 1;
  if (dual && context.attempt() == 1 && context.failing_for().count() == 0)
    log::info(context.log_fields(), "sending over two channels",
              {{"event", "DUAL_CHANNEL_SEND_START"}, {"kind", request.kind}});

  std::exception_ptr failed;
  auto delivering = deliver_all(orders, context.attempt(), turns, failed);
  auto const outcomes = co_await std::move(delivering);
  auto const* const waiting = waiting_for(outcomes);
  auto fenced = false;
  try {
    auto writing = write_down(context, orders, outcomes, waiting == nullptr && !failed);
    co_await std::move(writing);
  } catch (Fenced const&) {
    fenced = true;
  }
  if (fenced) {
    auto leaving = deliverer_.leave(outcomes);
    co_await std::move(leaving);
    throw Fenced{};
  }
  // Not before the other channel's delivery has ended: a dead letter's deliveries are not continued.
  if (failed && (waiting == nullptr || !is_permanent(failed))) std::rethrow_exception(failed);
  if (waiting != nullptr && waiting->kind == Outcome::Kind::later)
    throw Failure::deferred(waiting->reason, waiting->retry_after);
  if (waiting != nullptr) throw Failure::transient(waiting->reason, waiting->retry_after);
  if (dual)
    log::info(context.log_fields(), "sent over two channels",
              {{"event", "DUAL_CHANNEL_SEND_COMPLETE"}, {"kind", request.kind}});
}

Order NotifyHandler::make_order(Context& context, NotificationRequested const& request,
                                std::string const& channel) const {
  auto const& event = context.event();
  Order order;
  order.provider = providers_->find(request.domain, channel);
  if (request.expires_at) order.expires_ms = parse_time_ms(*request.expires_at);
  if (auto const asked = context.time_ms(); asked > 0) order.asked_ms = asked;
  auto& plan = order.plan;
  plan.event_key = context.event_key();
  plan.effect_key = effect_key(plan.event_key, channel);
  plan.request_source = event.source;
  plan.request_id = event.id;
  plan.domain = request.domain;
  plan.profile_id = request.profile_id;
  plan.session_id = request.session_id;
  plan.channel = channel;
  plan.provider = name_of(order.provider);
  if (order.provider != nullptr) plan.sender_id = order.provider->sender_id();
  plan.kind = request.kind;
  std::int64_t units = 1;
  if (channel == "sms") {
    auto sms = messaging::sms_text(request.body);
    units = static_cast<std::int64_t>(sms.size.parts);
    if (units > 0) plan.segments = static_cast<std::int32_t>(units);
    plan.encoding = sms.size.encoding == messaging::SmsEncoding::gsm7 ? "gsm7" : "ucs2";
    order.text = std::move(sms.text);
  } else {
    order.text = messaging::whatsapp_text(request.kind, request.body);
    order.template_parameter = messaging::whatsapp_template_parameter(
        request.body, static_cast<std::size_t>(settings_.whatsapp_template_characters));
  }
  if (order.provider != nullptr) plan.cost_micros = order.provider->unit_price_micros() * units;
  return order;
}

Task<std::vector<Outcome>> NotifyHandler::deliver_all(std::vector<Order> const& orders, std::uint32_t tries,
                                                      RequestTurns& turns, std::exception_ptr& failed) {
  std::vector<Outcome> outcomes(orders.size());
  Signal all_ended;
  auto left = orders.size() - 1;
  auto const executor = co_await boost::asio::this_coro::executor;
  for (std::size_t i = 1; i < orders.size(); ++i) {
    boost::asio::co_spawn(executor, deliverer_.deliver(orders[i], tries),
                          [&, i](std::exception_ptr error, Outcome outcome) {
                            turns.ended();
                            if (error) keep(failed, error);
                            outcomes[i] = std::move(outcome);
                            if (--left == 0) all_ended.raise();
                          });
  }
  try {
    auto delivering = deliverer_.deliver(orders.front(), tries);
    outcomes.front() = co_await std::move(delivering);
  } catch (...) {
    keep(failed, std::current_exception());
  }
  turns.ended();
  if (left > 0) {
    auto waiting = all_ended.wait();
    co_await std::move(waiting);
  }
  co_return outcomes;
}

Task<> NotifyHandler::write_down(Context& context, std::vector<Order> const& orders,
                                 std::vector<Outcome> const& outcomes, bool last) {
  std::vector<Result> results;
  std::optional<double> response_seconds;
  auto const work = [&](UnitOfWork& unit) {
    results.clear();  // of a commit that was lost
    for (std::size_t i = 0; i < orders.size(); ++i) {
      auto const& plan = orders[i].plan;
      auto const& ending = outcomes[i].ending;
      if (ending.state.empty()) continue;
      store_->settle(unit, ending, [&](std::vector<std::string> entered) {
        for (auto& state : entered) {
          results.push_back(result_of(plan, ending, std::move(state)));
          publish(unit, results.back());
        }
      });
      if (plan.channel == "sms" && plan.kind == "reply" && ending.state == "accepted" && plan.session_id)
        response_seconds = store_->seconds_since_inbound_sms(unit, *plan.session_id);
    }
  };
  auto const any = std::any_of(outcomes.begin(), outcomes.end(),
                               [](Outcome const& outcome) { return !outcome.ending.state.empty(); });
  auto written = false;
  auto fenced = false;
  try {
    if (last) {
      auto committing = context.commit(work);
      written = co_await std::move(committing);
    }
    // Also if the event was handled before: of two resends of one event, the first has ended it for both.
    if (any && !written) {
      auto committing = context.checkpoint(step_of(orders, outcomes), work);
      written = co_await std::move(committing);
    }
  } catch (Fenced const&) {
    fenced = true;
  }
  for (auto const& order : orders) deliverer_.forget(order.plan.effect_key);
  if (fenced) throw Fenced{};
  if (!written) co_return;
  for (auto const& result : results) tell(context.log_fields(), result);
  if (response_seconds) {
    Metrics::process().histogram<Metric::sms_response>().observe(*response_seconds);
    log::info(context.log_fields(), "reply sent by SMS", {{"event", "SMS_INBOUND_RESPONSE_SENT"}});
  }
}

void NotifyHandler::gave_up(Context& context, NotificationRequested const& request, Failure const& failure,
                            UnitOfWork& unit) {
  std::vector<Uuid> keys;
  for (auto const& channel : request.channels) keys.push_back(effect_key(context.event_key(), channel));
  for (auto& [key, state] : store_->give_up(unit, keys, failure)) {
    auto const which = static_cast<std::size_t>(std::find(keys.begin(), keys.end(), key) - keys.begin());
    Result result;
    result.state = std::move(state);
    result.domain = request.domain;
    result.request_id = context.event().id;
    result.profile_id = request.profile_id;
    result.channel = request.channels.at(which);
    result.provider = name_of(providers_->find(request.domain, result.channel));
    result.error_code = given_up;
    result.reason = failure.what();
    publish(unit, result);
  }
}

Task<> NotifyHandler::handle(Context& context, DeliveryReceiptReceived const& receipt) {
  if (context.replaying()) co_return context.pass_over("a replay moves no delivery");
  std::vector<Result> results;
  auto committing = context.commit([&](UnitOfWork& unit) {
    results.clear();
    auto const moved = store_->receive(unit, receipt);
    if (!moved) return;
    Result result{moved->state,
                  moved->domain,
                  moved->request_id,
                  moved->profile_id,
                  moved->channel,
                  moved->provider,
                  moved->provider_message_id,
                  moved->segments,
                  moved->error_code,
                  "the provider reports that it was not delivered",
                  receipt.occurred_at};
    // The first report of its acceptance.
    auto const unheard = moved->before != "accepted" && moved->before != "failed" && moved->before != "delivered";
    if (unheard && (moved->state == "delivered" || moved->state == "read")) {
      results.push_back(result);
      results.back().state = "accepted";
    }
    results.push_back(std::move(result));
    for (auto const& each : results) publish(unit, each);
  });
  co_await std::move(committing);
  for (auto& result : results) {
    if (result.state != "failed") result.reason.clear();
    tell(context.log_fields(), result);
  }
}

}  // namespace omnibus::notify
