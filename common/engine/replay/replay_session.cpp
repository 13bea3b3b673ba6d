#include "engine/replay/replay_session.hpp"

#include "kafka/error.hpp"
#include "kafka/offset_window.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <cstdio>
#include <stdexcept>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <pqxx/pqxx>
#include <unistd.h>

namespace omnibus::engine {
namespace {

constexpr std::chrono::seconds save_interval{1};
constexpr std::chrono::seconds log_interval{5};

/// A run keeps its settings: the same name with other settings is a mistake.
void check_same(ReplayRun const& found, std::string const& worker, ReplayArguments const& arguments) {
  auto const refuse = [&](std::string_view what, std::string const& was) {
    throw std::runtime_error(fmt::format(
        "--replay: the run {} was begun {} {}: take another name, or resume it unchanged", found.run, what, was));
  };
  if (found.worker != worker) refuse("by the worker", found.worker);
  if (arguments.from && (to_string(*arguments.from) != found.from || to_string(*arguments.to) != found.to))
    refuse("with the window", fmt::format("--from {} --to {}", found.from, found.to));
  if (arguments.from && replay_topics(worker, arguments.topics) != found.topics)
    refuse("with the topics", fmt::format("{}", fmt::join(found.topics, ", ")));
}

std::vector<kafka::TopicPartition> places(std::vector<ReplayPartition> const& partitions) {
  std::vector<kafka::TopicPartition> places;
  places.reserve(partitions.size());
  for (auto const& each : partitions) places.push_back({each.topic, each.partition});
  return places;
}

/// The group begins at the run's position, unless another process has begun already.
void set_offsets(kafka::OffsetWindow& offsets, std::vector<ReplayPartition> const& partitions, bool fresh,
                 std::string const& group) {
  auto const committed = offsets.committed(places(partitions));
  std::vector<kafka::Position> missing;
  for (std::size_t i = 0; i < partitions.size(); ++i)
    if (fresh || committed[i] < 0)
      missing.push_back({{partitions[i].topic, partitions[i].partition}, partitions[i].position});
  try {
    offsets.commit(missing);
  } catch (kafka::Error const& error) {
    if (error.retriable()) throw;
    throw std::runtime_error(
        fmt::format("the offsets of the group {} cannot be set; is it in use? {}", group, error.what()));
  }
}

}  // namespace

ReplaySession::ReplaySession(ReplayArguments const& arguments, std::string const& worker, std::string const& live_group,
                             std::string member, kafka::ClientSettings const& client, postgres::PoolSettings database)
    : member_{std::move(member)}, database_{std::move(database)}, terminal_{isatty(STDERR_FILENO) == 1} {
  run_.run = arguments.run;
  run_.worker = worker;
  run_.group = fmt::format("{}-replay-{}", live_group, arguments.run);
  auto const connection = postgres::connect(database_);
  pqxx::work transaction{*connection};
  if (auto const right = forbidden_right(transaction); !right.empty())
    throw std::runtime_error(fmt::format(
        "--replay: the database role {} may {}, which a replay must not: set REPLAY_DATABASE_URL to the role "
        "omnibus_replay",
        transaction.query_value<std::string>("SELECT current_user"), right));
  begin(transaction, arguments, client);
  transaction.commit();
}

void ReplaySession::begin(pqxx::transaction_base& transaction, ReplayArguments const& arguments,
                          kafka::ClientSettings const& client) {
  lock_run(transaction, run_.run);
  kafka::OffsetWindow offsets{client, run_.group};
  auto const found = find_run(transaction, run_.run);
  if (found) {
    check_same(*found, run_.worker, arguments);
    run_ = *found;
  } else {
    if (!arguments.from)
      throw std::runtime_error(
          fmt::format("--replay: there is no run {} to resume; give --from and --to to begin it", run_.run));
    run_.topics = replay_topics(run_.worker, arguments.topics);
    run_.from = to_string(*arguments.from);
    run_.to = to_string(*arguments.to);
    create_run(transaction, run_, member_, offsets.find(run_.topics, *arguments.from, *arguments.to));
  }
  auto const partitions = partitions_of(transaction, run_.run);
  save(transaction, run_.run, {member_, 0, {}, {}});
  status_ = replay_status(transaction, run_.run).at(0);
  if (!ended()) set_offsets(offsets, partitions, !found, run_.group);

  std::vector<kafka::OffsetRange> window;
  window.reserve(partitions.size());
  for (auto const& each : partitions) window.push_back({{each.topic, each.partition}, each.from, each.to});
  replay_.emplace(window);
  log::info("replay", {{"run", run_.run},
                       {"group", run_.group},
                       {"from", run_.from},
                       {"to", run_.to},
                       {"events", status_.events},
                       {"done", status_.done}});
}

ReplayReport ReplaySession::report(Engine const& engine) {
  pace_.add(Pace::Clock::now(), engine.counters().handled.load());
  return {member_, pace_.per_second(), engine.positions(), replay_->take()};
}

ReplayStatus ReplaySession::keep(pqxx::connection& connection, ReplayReport const& report) const {
  pqxx::work transaction{connection};
  save(transaction, run_.run, report);
  auto status = replay_status(transaction, run_.run).at(0);
  transaction.commit();
  return status;
}

Task<> ReplaySession::watch(Engine const& engine, postgres::TransactionPool& pool) {
  boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
  pace_.add(Pace::Clock::now(), 0);
  while (!ended()) {
    timer.expires_after(save_interval);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    auto const done = report(engine);
    try {
      auto job = pool.run([&](pqxx::connection& connection) { return keep(connection, done); });
      status_ = co_await std::move(job);
      show(false);
    } catch (std::exception const& error) {
      replay_->give_back(done.counts);
      log::warn("the replay's progress could not be kept yet", {{"reason", error.what()}});
    }
  }
}

int ReplaySession::finish(Engine const* engine) {
  if (engine != nullptr) {
    auto const connection = postgres::connect(database_);
    status_ = keep(*connection, report(*engine));
  }
  show(true);
  if (!ended()) {
    log::warn("the replay was stopped before its end: the same command goes on with it", {{"run", run_.run}});
    return not_ended;
  }
  if (status_.failed > 0) {
    log::error("the replay is done, but events failed in it: see omnibus replay status",
               {{"run", run_.run}, {"failed", status_.failed}});
    return ended_with_failures;
  }
  return ended_well;
}

void ReplaySession::show(bool last) {
  auto const now = std::chrono::steady_clock::now();
  if (terminal_) {
    auto const percent = status_.events == 0 ? 100 : 100 * status_.done / status_.events;
    auto const left = status_.seconds_left ? fmt::format(", {} s left", *status_.seconds_left) : std::string{};
    fmt::print(stderr, "\r\033[Kreplay {}: {} of {} events ({} %), {:.0f}/s{}{}", run_.run, status_.done,
               status_.events, percent, status_.per_second, left, last ? "\n" : "");
    std::fflush(stderr);
  }
  if (!last && now - logged_ < log_interval) return;
  logged_ = now;
  log::info(last && ended() ? "replay ended" : "replay progress", {{"run", run_.run},
                                                                   {"events", status_.events},
                                                                   {"done", status_.done},
                                                                   {"per_second", status_.per_second},
                                                                   {"seconds_left", status_.seconds_left.value_or(-1)},
                                                                   {"handled", status_.handled},
                                                                   {"skipped", status_.skipped},
                                                                   {"failed", status_.failed},
                                                                   {"suppressed", status_.suppressed}});
}

}  // namespace omnibus::engine
