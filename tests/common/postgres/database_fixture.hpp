/// Databases for tests that need a real PostgreSQL.
#pragma once

#include "postgres/migrations.hpp"
#include "uuid/uuid.hpp"

#include <cstdlib>
#include <stdexcept>
#include <string>
#include <string_view>

#include <pqxx/pqxx>

namespace omnibus::test {

/// The superuser's URL of the private cluster that tests may do anything with.
/// @throws std::runtime_error when OMNIBUS_TEST_DATABASE is not set.
inline std::string cluster_url() {
  auto const* url = std::getenv("OMNIBUS_TEST_DATABASE");
  if (url == nullptr || *url == '\0') {
    throw std::runtime_error("this test needs PostgreSQL: set OMNIBUS_TEST_DATABASE=\"$(compose/postgres url)\"");
  }
  return url;
}

/// The URL of another database of the same cluster.
inline std::string with_database(std::string const& url, std::string_view database) {
  auto const authority = url.find("://") + 3;
  auto const path = url.find('/', authority);
  auto const query = url.find('?', authority);
  auto result = url.substr(0, std::min(path, query));
  result.append("/").append(database);
  if (query != std::string::npos) result += url.substr(query);
  return result;
}

/// An empty database of its own, dropped when it goes out of scope, whoever is still connected.
class EmptyDatabase {
 public:
  EmptyDatabase() : EmptyDatabase("template0") {}
  EmptyDatabase(EmptyDatabase const&) = delete;
  EmptyDatabase& operator=(EmptyDatabase const&) = delete;
  ~EmptyDatabase() {
    try {
      pqxx::connection admin{cluster_url()};
      pqxx::nontransaction{admin}.exec("DROP DATABASE IF EXISTS " + name_ + " WITH (FORCE)");
    } catch (std::exception const&) {
      // The cluster is the test's: it goes away with everything in it.
    }
  }

  /// The superuser's URL of this database.
  std::string const& url() const { return url_; }

  /// The URL of a session that acts as one of our roles, as `chat` for omnibus_chat: row security applies to it.
  std::string url_as(std::string_view role) const {
    auto result = url_;
    result += url_.find('?') == std::string::npos ? '?' : '&';
    return result.append("options=-c%20role%3Domnibus_").append(role);
  }

 protected:
  explicit EmptyDatabase(std::string const& source) {
    name_ = "test_" + to_string(random_uuid()).substr(0, 8) + to_string(random_uuid()).substr(0, 4);
    pqxx::connection admin{cluster_url()};
    pqxx::nontransaction{admin}.exec("CREATE DATABASE " + name_ + " TEMPLATE " + source);
    url_ = with_database(cluster_url(), name_);
  }

 private:
  std::string name_;
  std::string url_;
};

/// A database of its own with all migrations applied. They run once per cluster, into a template.
class TestDatabase : public EmptyDatabase {
 public:
  TestDatabase() : EmptyDatabase(migrated_template()) {}

  /// Adds a tenant, which everything that belongs to a domain needs.
  void add_tenant(std::string_view domain) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec("INSERT INTO tenants (domain) VALUES ($1)", pqxx::params{domain});
  }

 private:
  static std::string migrated_template() {
    auto const migrations = postgres::load_migrations(postgres::default_migrations_folder());
    std::string checksums;
    for (auto const& migration : migrations) checksums += migration.sha256;
    auto name = "template_" + to_string(name_uuid(Uuid{}, checksums)).substr(0, 8);

    pqxx::connection admin{cluster_url()};
    pqxx::nontransaction session{admin};
    // Test binaries run side by side, and the first one makes the template.
    session.exec("SELECT pg_advisory_lock(7266231)");
    if (session.exec("SELECT 1 FROM pg_database WHERE datname = '" + name + "'").empty()) {
      session.exec("DROP DATABASE IF EXISTS " + name + "_new WITH (FORCE)");
      session.exec("CREATE DATABASE " + name + "_new TEMPLATE template0");
      {
        pqxx::connection fresh{with_database(cluster_url(), name + "_new")};
        postgres::Migrator{fresh, migrations}.up();
      }
      session.exec("ALTER DATABASE " + name + "_new RENAME TO " + name);
    }
    session.exec("SELECT pg_advisory_unlock(7266231)");
    return name;
  }
};

/// Returns once another session of the connection's database waits for a lock.
inline void await_lock_wait(pqxx::connection& connection) {
  pqxx::nontransaction query{connection};
  while (query.exec("SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")
             .empty()) {
    query.exec("SELECT pg_sleep(0.002)");
  }
}

}  // namespace omnibus::test
