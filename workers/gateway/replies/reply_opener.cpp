#include "workers/gateway/replies/reply_opener.hpp"

#include "observability/log.hpp"

#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::gateway {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::seconds longest_wait{5};
constexpr std::chrono::milliseconds between_tries{200};

}  // namespace

ReplyOpener::ReplyOpener(sealing::Sealer& sealer, PoolSettings database)
    : sealer_{sealer}, database_{std::move(database)} {}

ReplyOpener::~ReplyOpener() = default;

std::optional<std::string> ReplyOpener::open(EnvelopeView const& envelope, std::string_view data) {
  auto const deadline = Clock::now() + longest_wait;
  for (;;) {
    try {
      try {
        return sealer_.open(envelope, data).data;
      } catch (sealing::KeysNeeded const& needed) {
        load(needed);
      }
    } catch (pqxx::broken_connection const& error) {
      connection_.reset();
      if (Clock::now() >= deadline) {
        log::warn("a sealed reply is left out", {{"event_id", envelope.id}, {"reason", error.what()}});
        return std::nullopt;
      }
      std::this_thread::sleep_for(between_tries);
    } catch (sealing::KeyDestroyed const&) {
      return std::nullopt;
    } catch (std::exception const& error) {
      log::warn("a sealed reply is left out", {{"event_id", envelope.id}, {"reason", error.what()}});
      return std::nullopt;
    }
  }
}

void ReplyOpener::load(sealing::KeysNeeded const& needed) {
  if (!connection_) connection_ = postgres::connect(database_);
  sealer_.load(*connection_, needed.ids);
}

OpenReply make_opener(sealing::Sealer& sealer, PoolSettings const& database) {
  auto const opener = std::make_shared<ReplyOpener>(sealer, database);
  return [opener](EnvelopeView const& envelope, std::string_view data) { return opener->open(envelope, data); };
}

}  // namespace omnibus::gateway
