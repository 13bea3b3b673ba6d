#include "engine/classify.hpp"

#include "kafka/error.hpp"
#include "postgres/errors.hpp"
#include "postgres/pool.hpp"

namespace omnibus::engine {

std::optional<Failure> classify(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (Fenced const&) {
    return std::nullopt;
  } catch (Failure const& failure) {
    return failure;
  } catch (kafka::Error const& failed) {
    if (failed.retriable()) return Failure::outage(failed.what());
    return Failure::permanent(failed.what(), "kafka");
  } catch (postgres::PoolUnavailable const& failed) {
    return Failure::outage(failed.what());
  } catch (std::exception const& failed) {
    if (!postgres::is_database_error(failed)) return Failure::permanent(failed.what(), "exception");
    // The text of a database error may quote values: only its kind is passed on.
    switch (postgres::classify_database_error(failed)) {
      case DatabaseError::outage:
        return Failure::outage("the database is away: check DATABASE_URL and PostgreSQL");
      case DatabaseError::transient:
        return Failure::transient("the transaction lost a race");
      case DatabaseError::in_doubt:
        return Failure::outage("the connection was lost during a commit");
      case DatabaseError::permanent:
        return Failure::permanent("the database refused the change", "database");
    }
    return Failure::permanent("database", "database");
  } catch (...) {
    return Failure::permanent("an exception that is not a std::exception", "exception");
  }
}

}  // namespace omnibus::engine
