/// Turns exceptions into failures, for all of the engine.
#pragma once

#include "handler/failure.hpp"

#include <exception>
#include <optional>

namespace omnibus {

/// Thrown when PostgreSQL rejected a write because the partition has another owner.
struct Fenced : std::exception {
  char const* what() const noexcept override { return "another worker has taken this partition over"; }
};

/// Thrown when PostgreSQL refused an event for good, because it is about somebody who was erased.
struct Erased : std::exception {
  char const* what() const noexcept override { return "the event is about an erased person"; }
};

/// Turns a handler's exception into a failure: a Failure stays as it is, a lost database or broker is an outage, a lost
/// race is transient, anything else is permanent. Returns nothing for Fenced and
/// Erased: the event itself did not fail.
std::optional<Failure> classify(std::exception_ptr const& error);

/// Whether this exception is an `Error`.
template <class Error>
bool raised(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (Error const&) {
    return true;
  } catch (...) {
    return false;
  }
}

}  // namespace omnibus
