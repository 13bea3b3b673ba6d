/// What an erasure reads and writes in the database.
#pragma once

#include "events/gdpr.hpp"
#include "handler/context.hpp"
#include "handler/unit_of_work.hpp"
#include "workers/gdpr/erasure/erased_person.hpp"
#include "workers/gdpr/erasure/key_maker.hpp"
#include "workers/gdpr/erasure/topic_log.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::gdpr {

/// Rows that one transaction of an erasure touches at most.
inline constexpr std::int64_t erasure_batch = 1000;

/// Rows of the outbox that are about a person.
struct PersonOutbox {
  std::vector<std::int64_t> ids;
  bool being_published = false;  ///< some are so new that a worker may be publishing them right now
};

/// The tables that an erasure changes. Each operation can be repeated; `keys` are the person's, as text.
class ErasureStore {
 public:
  using Keys = std::set<std::string>;
  virtual ~ErasureStore() = default;

  /// Fills the subject keys that rows of the tenant lack, a batch of them. @return how many
  virtual std::int64_t fill_keys(UnitOfWork& unit, std::string const& domain) = 0;
  /// Finds all identities of the person with these keys.
  virtual Task<ErasedPerson> find(Context& context, std::string domain, Keys keys) = 0;
  /// Until when a legal hold keeps the person, in RFC 3339 or `infinity`.
  virtual std::optional<std::string> hold_until(UnitOfWork& unit, std::string const& domain, Keys const& keys) = 0;
  /// From now on events about these keys wait; waits for transactions that write about them.
  virtual void begin(UnitOfWork& unit, Uuid const& request, std::string const& domain, Keys const& keys,
                     Keys const& for_good) = 0;
  /// The keys that the request's erasure began with.
  virtual Task<Keys> begun(Context& context, Uuid request) = 0;
  /// The same for a batch of the messages sent to the person: their receipts are refused for good. @return how many
  virtual std::int64_t begin_messages(UnitOfWork& unit, Uuid const& request, std::string const& domain,
                                      Keys const& keys) = 0;
  virtual void suppress(UnitOfWork& unit, std::string const& domain, std::vector<OptOut> const& opt_outs) = 0;
  /// The steps of erasing rows, in order: a table's name, with `/` and a number if it has several.
  virtual std::vector<std::string> steps() const = 0;
  /// Deletes or blanks a batch of the person's rows. @return how many
  virtual std::int64_t erase(UnitOfWork& unit, std::string const& step, std::string const& domain,
                             Keys const& keys) = 0;
  /// Removes the archives of the person's exports, but not one that was made after `asked_ms`, for which the erasure
  /// waited. @return how many
  virtual std::int64_t remove_archives(UnitOfWork& unit, std::string const& domain, Keys const& keys,
                                       std::int64_t asked_ms) = 0;
  /// The days whose telemetry is stored.
  virtual Task<std::vector<std::string>> telemetry_days(Context& context) = 0;
  /// Gives the person's calls of a day another conversation. @return how many
  virtual std::int64_t detach_telemetry(UnitOfWork& unit, std::string const& day, Keys const& keys) = 0;
  virtual Task<PersonOutbox> find_outbox(Context& context, Keys keys) = 0;
  virtual void remove_outbox(UnitOfWork& unit, std::vector<std::int64_t> const& ids) = 0;
  /// @return how many of the letters were open
  virtual std::int64_t drop_letters(UnitOfWork& unit, std::vector<PersonLetter> const& letters) = 0;
  /// The erasure ends: the person's keys are destroyed, what stands before these positions is refused, what comes is a
  /// new person's.
  virtual void set_positions(UnitOfWork& unit, Uuid const& request, std::string const& positions) = 0;
  /// Whether the tenant's topics hold the person's fields in clear text.
  virtual Task<bool> log_is_clear(Context& context, std::string domain) = 0;
};

/// The one in PostgreSQL, as the role omnibus_gdpr. Any thread may use it.
class PostgresErasure final : public ErasureStore {
 public:
  explicit PostgresErasure(KeyMaker keys) : keys_{std::move(keys)} {}

  std::int64_t fill_keys(UnitOfWork& unit, std::string const& domain) override;
  Task<ErasedPerson> find(Context& context, std::string domain, Keys keys) override;
  ErasedPerson find_over(pqxx::connection& connection, std::string const& domain, Keys const& keys) const;
  std::optional<std::string> hold_until(UnitOfWork& unit, std::string const& domain, Keys const& keys) override;
  void begin(UnitOfWork& unit, Uuid const& request, std::string const& domain, Keys const& keys,
             Keys const& for_good) override;
  Task<Keys> begun(Context& context, Uuid request) override;
  std::int64_t begin_messages(UnitOfWork& unit, Uuid const& request, std::string const& domain,
                              Keys const& keys) override;
  void suppress(UnitOfWork& unit, std::string const& domain, std::vector<OptOut> const& opt_outs) override;
  std::vector<std::string> steps() const override;
  std::int64_t erase(UnitOfWork& unit, std::string const& step, std::string const& domain, Keys const& keys) override;
  std::int64_t remove_archives(UnitOfWork& unit, std::string const& domain, Keys const& keys,
                               std::int64_t asked_ms) override;
  Task<std::vector<std::string>> telemetry_days(Context& context) override;
  std::int64_t detach_telemetry(UnitOfWork& unit, std::string const& day, Keys const& keys) override;
  Task<PersonOutbox> find_outbox(Context& context, Keys keys) override;
  static PersonOutbox find_outbox_over(pqxx::connection& connection, Keys const& keys);
  void remove_outbox(UnitOfWork& unit, std::vector<std::int64_t> const& ids) override;
  std::int64_t drop_letters(UnitOfWork& unit, std::vector<PersonLetter> const& letters) override;
  void set_positions(UnitOfWork& unit, Uuid const& request, std::string const& positions) override;
  Task<bool> log_is_clear(Context& context, std::string domain) override;

 private:
  KeyMaker const keys_;
};

}  // namespace omnibus::gdpr
