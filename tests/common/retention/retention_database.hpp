/// A migrated database for tests of retention, which runs as the gdpr worker's role.
#pragma once

#include "retention/prune_run.hpp"
#include "tests/common/postgres/database_fixture.hpp"

#include <string>

#include <pqxx/pqxx>

namespace omnibus::retention::test {

class RetentionDatabase : public omnibus::test::TestDatabase {
 public:
  RetentionDatabase() {
    add_tenant("shop.example");
    add_tenant("other.example");
  }

  /// As the superuser.
  void execute(std::string const& sql) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec(sql);
  }
  /// The only field, as text.
  std::string value(std::string const& query) const {
    pqxx::connection connection{url()};
    return pqxx::nontransaction{connection}.query_value<std::string>(query);
  }
  std::string count(std::string const& table) const { return value("SELECT count(*) FROM " + table); }

  /// One call, as the gdpr worker.
  PruneReport run(PruneTask const& task, PruneOptions options = {}) const {
    pqxx::connection connection{url_as("gdpr")};
    options.pause = std::chrono::milliseconds{0};
    return prune(connection, task, options);
  }
  PruneReport force(PruneTask const& task) const {
    PruneOptions options;
    options.force = true;
    return run(task, options);
  }
};

}  // namespace omnibus::retention::test
