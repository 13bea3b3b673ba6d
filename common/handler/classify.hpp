/// The one place where exceptions become failures.
#pragma once

#include "handler/failure.hpp"

#include <exception>
#include <optional>

namespace omnibus {

/// Thrown where PostgreSQL refused a write because the partition has another owner.
struct Fenced : std::exception {
  char const* what() const noexcept override { return "another worker has taken this partition over"; }
};

/// What a handler's exception means: its own Failure as it is, a lost database or broker as an outage, a lost race as
/// transient, anything else as permanent. Nothing for Fenced, which is no failure of the event.
std::optional<Failure> classify(std::exception_ptr const& error);

}  // namespace omnibus
