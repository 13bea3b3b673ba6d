/// Handlers that defer events of keys which are closed.
#pragma once

#include "handler/failure.hpp"
#include "tests/common/engine/database_engine.hpp"

namespace omnibus::engine::test {

/// What is deferred waits in the database at once, and is tried some times a second.
inline EngineSettings deferring() {
  EngineSettings settings;
  settings.long_deferral = std::chrono::milliseconds{1};
  settings.deferral_interval = std::chrono::milliseconds{20};
  settings.commit_interval = std::chrono::milliseconds{20};
  settings.recoverability.first_deferral = std::chrono::milliseconds{20};
  settings.recoverability.longest_requested = std::chrono::milliseconds{200};
  return settings;
}

/// Writes the event's effect, unless its key is in the table `closed`.
inline Task<> write_unless_closed(Context& context) {
  auto committing = context.commit([&context, write = effect_of(context)](UnitOfWork& unit) {
    if (unit.transaction().query_value<bool>("SELECT EXISTS (SELECT FROM closed WHERE key = $1)",
                                             pqxx::params{context.key()}))
      throw Failure::deferred("the key is closed");
    write(unit);
  });
  co_await std::move(committing);
}

/// With a table of keys that are closed.
class ClosingDatabase : public EffectDatabase {
 public:
  ClosingDatabase() { execute("CREATE TABLE closed (key text); GRANT SELECT ON closed TO omnibus_chat"); }

  void close(std::string const& key) const { execute("INSERT INTO closed VALUES ('" + key + "')"); }
  void open(std::string const& key) const { execute("DELETE FROM closed WHERE key = '" + key + "'"); }
  std::int64_t rows() const { return number("SELECT count(*) FROM pipeline.deferred_records"); }
  bool await_rows(std::int64_t count) const { return await("SELECT count(*) FROM pipeline.deferred_records", count); }
  bool await_no_rows() const {
    return await("SELECT CASE count(*) WHEN 0 THEN 1 ELSE 0 END FROM pipeline.deferred_records", 1);
  }
};

}  // namespace omnibus::engine::test
