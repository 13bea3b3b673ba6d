#include "handler/classify.hpp"

#include "kafka/error.hpp"
#include "postgres/errors.hpp"
#include "postgres/pool.hpp"
#include "sealing/subject_cipher.hpp"

#include <algorithm>
#include <chrono>
#include <new>
#include <string>
#include <string_view>
#include <typeinfo>

#include <boost/core/demangle.hpp>

namespace omnibus {
namespace {

constexpr std::chrono::seconds key_delay{1};
constexpr std::chrono::seconds longest_key_delay{5};

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
  } catch (sealing::KeyUnavailable const& failed) {
    // Not of every event: those of tenants whose log is clear need no key.
    return Failure::deferred(failed.what(), key_delay, longest_key_delay);
  } catch (sealing::SealBroken const& failed) {
    return Failure::permanent(failed.what(), "seal_broken");
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
