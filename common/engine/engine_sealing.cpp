// The part of the engine that brings keys of sealed events into memory.
#include "engine/engine.hpp"
#include "observability/log.hpp"
#include "sealing/sealer.hpp"

#include <exception>
#include <utility>
#include <vector>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>

namespace omnibus::engine {
namespace {

std::vector<Uuid> needed_keys(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (sealing::KeysNeeded const& needed) {
    return needed.ids;
  }
}

struct EventKeys {
  sealing::Sealer* sealer = nullptr;
  std::vector<Uuid> ids;
};
struct KeysLoaded {};

/// The keys of many events in one round trip. @throws KeyUnavailable when one of them is.
std::vector<KeysLoaded> load_all(pqxx::connection& connection, std::vector<EventKeys> const& events) {
  std::vector<Uuid> ids;
  for (auto const& each : events) ids.insert(ids.end(), each.ids.begin(), each.ids.end());
  events.front().sealer->load(connection, ids);
  return std::vector<KeysLoaded>(events.size());
}

/// Without the engine, which may be gone by then.
Task<> take_key(sealing::Sealer& sealer, postgres::TransactionPool& pool, sealing::SealingPlan plan) {
  try {
    auto taking = pool.run([&](pqxx::connection& connection) { sealer.take(plan, connection); });
    co_await std::move(taking);
  } catch (std::exception const& error) {
    log::debug("a key could not be read", {{"reason", error.what()}});
  }
}

}  // namespace

Task<> Engine::load_keys(std::exception_ptr needed) {
  auto loading = reads().read<load_all>(EventKeys{ports_.sealer, needed_keys(needed)});
  co_await std::move(loading);
}

void Engine::fetch_key(sealing::SealingPlan plan) {
  boost::asio::co_spawn(loop_, take_key(*ports_.sealer, pool(), std::move(plan)), boost::asio::detached);
}

}  // namespace omnibus::engine
