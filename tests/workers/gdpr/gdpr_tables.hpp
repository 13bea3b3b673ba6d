/// A migrated database for tests of the gdpr worker's stores, which run as its role.
#pragma once

#include "engine/commit/handler_unit.hpp"
#include "events/gdpr.hpp"
#include "kafka/cloud_event.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "uuid/uuid.hpp"

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <pqxx/pqxx>

namespace omnibus::gdpr::test {

class GdprDatabase : public omnibus::test::TestDatabase {
 public:
  GdprDatabase() {
    add_tenant("shop.example");
    add_tenant("other.example");
  }

  /// As the superuser.
  void execute(std::string const& sql, pqxx::params const& params = {}) const {
    pqxx::connection connection{url()};
    pqxx::nontransaction{connection}.exec(sql, params);
  }
  /// The only field, as text; `null` for NULL.
  std::string value(std::string const& query) const {
    pqxx::connection connection{url()};
    return pqxx::nontransaction{connection}.exec(query).one_field().as<std::string>("null");
  }
  /// Runs a unit of work of the gdpr worker and commits it.
  void in_unit(std::function<void(UnitOfWork&)> const& work) const {
    pqxx::connection connection{url_as("gdpr")};
    pqxx::work transaction{connection};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    auto const cause = originate("/test", GdprDeletionRequested::type);
    engine::HandlerUnit unit{inner, engine::EventMaker{cause, "gdpr"}};
    work(unit);
    transaction.commit();
  }
};

/// A request about a person.
inline GdprRequest request_about(std::string subject_key, std::vector<std::string> identities = {}) {
  return {random_uuid(), "shop.example", std::move(subject_key), std::move(identities), {}, "subject_request", false};
}

}  // namespace omnibus::gdpr::test
