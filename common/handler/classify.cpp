#include "handler/classify.hpp"

#include "kafka/error.hpp"
#include "postgres/errors.hpp"
#include "postgres/pool.hpp"

#include <algorithm>
#include <new>
#include <string>
#include <string_view>
#include <typeinfo>

#include <boost/core/demangle.hpp>

namespace omnibus {
namespace {

// Errors of this kind name servers, tables and columns; quoted rows are on later lines.
std::string first_line(std::string_view text) {
  return std::string{text.substr(0, std::min<std::size_t>(text.find('\n'), 200))};
}

}  // namespace

std::optional<Failure> classify(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (Fenced const&) {
    return std::nullopt;
  } catch (Erased const&) {
    return std::nullopt;
  } catch (Failure const& failure) {
    return failure;
  } catch (kafka::Error const& failed) {
    if (failed.retriable()) return Failure::outage(failed.what());
    return Failure::permanent(failed.what(), "kafka");
  } catch (postgres::PoolUnavailable const& failed) {
    return Failure::outage(failed.what());
  } catch (std::bad_alloc const&) {
    return Failure::outage("out of memory: lower MAX_IN_FLIGHT or MAX_QUEUED_BYTES");
  } catch (std::exception const& failed) {
    // An unexpected exception may quote the event: only its type is passed on.
    if (!postgres::is_database_error(failed))
      return Failure::permanent("unexpected exception " + boost::core::demangle(typeid(failed).name()), "exception");
    // The text of a database error may quote values: only its kind is passed on.
    switch (postgres::classify_database_error(failed)) {
      case DatabaseError::outage:
        return Failure::outage("the database cannot be used (check DATABASE_URL, PostgreSQL, migrations): " +
                               first_line(failed.what()));
      case DatabaseError::transient:
        return Failure::transient("the transaction lost a race");
      case DatabaseError::in_doubt:
        return Failure::outage("the connection was lost during a commit");
      case DatabaseError::permanent:
        return Failure::permanent("the database rejected the change", "database");
    }
    return Failure::permanent("database", "database");
  } catch (...) {
    return Failure::permanent("an exception that is not a std::exception", "exception");
  }
}

}  // namespace omnibus
