#include "sealing/sealer.hpp"

#include "config/config.hpp"
#include "kafka/event_subjects.hpp"
#include "observability/log.hpp"
#include "sealing/sealed_text.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <fmt/format.h>
#include <pqxx/pqxx>

namespace omnibus::sealing {
namespace {

constexpr std::string_view version = "v1";
constexpr std::chrono::seconds refresh_interval{1};
// Less than newly_erased() looks back.
constexpr std::chrono::seconds longest_unseen{10};

}  // namespace

void Sealer::refresh(pqxx::connection& connection) {
  auto const begun = KeyCache::Clock::now();
  pqxx::nontransaction transaction{connection};
  auto const tenants = sealing::sealed_tenants(transaction);
  if (!keys_.empty()) {
    auto const erased = newly_erased(transaction);
    if (refreshed_ && begun - *refreshed_ > longest_unseen)
      keys_.clear();
    else
      keys_.drop(erased);
  }
  std::scoped_lock const lock{mutex_};
  tenants_ = {tenants.begin(), tenants.end()};
  idle_ = tenants_.empty();
  refreshed_ = begun;
}

void Sealer::require_keys(pqxx::connection& connection) {
  refresh(connection);
  if (idle_) return;
  if (!masters_.usable()) {
    std::scoped_lock const lock{mutex_};
    throw config::ConfigError(fmt::format("set PII_MASTER_KEY: the log of {} tenants is sealed, such as {}",
                                          tenants_.size(), *tenants_.begin()));
  }
  pqxx::nontransaction transaction{connection};
  if (auto const unknown = unknown_master_key(transaction, masters_))
    throw config::ConfigError(fmt::format(
        "PII_MASTER_KEY is not the one that wraps all keys: some need master key {}; set PII_MASTER_KEY_PREVIOUS to it",
        *unknown));
}

bool Sealer::seals(std::string_view domain) const {
  std::scoped_lock const lock{mutex_};
  if (!refreshed_) throw KeyUnavailable("the sealed tenants are not known yet: the database does not answer");
  return tenants_.contains(domain);
}

std::optional<SealingPlan> Sealer::plan(std::string_view type, std::string_view data, std::string_view record_key,
                                        std::string_view domain) const {
  if (idle_) return std::nullopt;
  auto const* const fields = personal_fields(type);
  if (fields == nullptr) return std::nullopt;
  auto named = text_member(data, "domain").value_or(std::string{domain});
  if (!seals(named)) return std::nullopt;
  auto const subjects = subjects_of_event(type, data, record_key);
  if (subjects.empty()) return std::nullopt;
  return SealingPlan{fields, subjects.front(), std::move(named)};
}

SharedCipher Sealer::at_hand(SealingPlan const& plan) const {
  return keys_.of(plan.subject, KeyCache::Clock::now());
}

SharedCipher Sealer::take(SealingPlan const& plan, pqxx::transaction_base& transaction) {
  if (auto found = at_hand(plan)) return found;
  auto taken = take_key(transaction, masters_, plan.subject, plan.domain);
  if (taken.committed) return keys_.put(std::move(taken.cipher), KeyCache::Clock::now());
  return std::make_shared<SubjectCipher const>(std::move(taken.cipher));
}

SharedCipher Sealer::take(SealingPlan const& plan, pqxx::connection& connection) {
  pqxx::work transaction{connection};
  auto taken = take_key(transaction, masters_, plan.subject, plan.domain);
  transaction.commit();
  return keys_.put(std::move(taken.cipher), KeyCache::Clock::now());
}

void Sealer::seal(SealingPlan const& plan, SubjectCipher const& cipher, Envelope& envelope, std::string& data) {
  data = change_texts(data, *plan.fields, [&](std::string_view pointer, std::string_view text) {
    return seal_text(cipher.key_id, cipher.key, binding_of(envelope.type, pointer, envelope.id), text);
  });
  envelope.sealed = version;
}

void Sealer::load(pqxx::connection& connection, std::vector<Uuid> const& ids) {
  pqxx::nontransaction transaction{connection};
  load(transaction, ids);
}

void Sealer::load(pqxx::transaction_base& transaction, std::vector<Uuid> const& ids) {
  auto const stored = read_keys(transaction, ids);
  auto const now = KeyCache::Clock::now();
  for (auto const& each : stored) {
    if (each.wrapped)
      keys_.put(unwrap(masters_, each), now);
    else
      keys_.put_destroyed(each.key_id, now);
  }
  for (auto const& id : ids)
    if (std::ranges::none_of(stored, [&](auto const& each) { return each.key_id == id; }))
      throw KeyUnavailable(
          fmt::format("key {} is not in pipeline.subject_keys: is this the database that the event was sealed with?",
                      to_string(id)));
}

OpenedEvent Sealer::open(EnvelopeView const& envelope, std::string_view data) const {
  if (envelope.sealed != version)
    throw KeyUnavailable(fmt::format("the event is sealed as {}, which this version cannot open", envelope.sealed));
  auto const* const fields = personal_fields(envelope.type);
  if (fields == nullptr) return {std::string{data}, {}};
  auto const now = KeyCache::Clock::now();
  std::vector<Uuid> missing;
  OpenedEvent opened;
  opened.data = change_texts(data, *fields, [&](std::string_view pointer, std::string_view text) -> std::string {
    if (!is_sealed_text(text)) return std::string{text};  // of a field that was not marked yet
    auto const broken = [&] { return SealBroken(fmt::format("{} does not open", pointer)); };
    auto const sealed = parse_sealed_text(text);
    if (!sealed) throw broken();
    auto const cipher = keys_.by_id(sealed->key_id, now);
    if (!cipher) {
      if (std::ranges::find(missing, sealed->key_id) == missing.end()) missing.push_back(sealed->key_id);
      return {};
    }
    if (*cipher == nullptr) throw KeyDestroyed{};
    auto clear = open_text((*cipher)->key, binding_of(envelope.type, pointer, envelope.id), *sealed);
    if (!clear) throw broken();
    opened.domain = (*cipher)->domain;
    return *std::move(clear);
  });
  if (!missing.empty()) throw KeysNeeded{std::move(missing)};
  return opened;
}

Task<> keep_fresh(Sealer& sealer, TransactionPool& pool) {
  boost::asio::steady_timer timer{co_await boost::asio::this_coro::executor};
  for (;;) {
    timer.expires_after(refresh_interval);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    try {
      auto refreshing = pool.run([&](pqxx::connection& connection) { sealer.refresh(connection); });
      co_await std::move(refreshing);
    } catch (std::exception const& error) {
      log::debug("the sealed tenants could not be read", {{"reason", error.what()}});
    }
  }
}

}  // namespace omnibus::sealing
