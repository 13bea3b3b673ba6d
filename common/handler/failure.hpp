/// How a handler says that an event could not be handled.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace omnibus {

/// Thrown by a handler (`throw Failure::transient("...")`). The reason goes to logs and dead-letter headers: it must
/// hold nothing of the event's content. Every other exception is turned into one of these at the engine's loop.
class Failure : public std::runtime_error {
 public:
  enum class Kind {
    transient,  ///< retry this event after a while; its key waits, other keys go on
    deferred,   ///< no fault of this event's: again later, count no attempt; its key waits, other keys go on
    permanent,  ///< will never work: to the dead-letter topic
    outage      ///< something everybody needs is down: pause, count no attempt, lose nothing
  };

  /// Will work later. `retry_after` is what the other side asked for; without it the engine backs off by itself.
  static Failure transient(std::string const& reason, std::optional<std::chrono::milliseconds> retry_after = {}) {
    return {Kind::transient, "transient", reason, retry_after};
  }
  /// Will work once something is over that this event can do nothing about and that not everybody needs, such as an
  /// outage of one of several endpoints. It is tried again for ever, ever more rarely and not before `retry_after`: the
  /// handler knows when to give up.
  static Failure deferred(std::string const& reason, std::optional<std::chrono::milliseconds> retry_after = {}) {
    return {Kind::deferred, "deferred", reason, retry_after};
  }
  /// Will never work. `error_class` is a short stable word for dashboards, such as `invalid_json`.
  static Failure permanent(std::string const& reason, std::string error_class = "permanent") {
    return {Kind::permanent, std::move(error_class), reason, {}};
  }
  /// A database, broker or endpoint that every event needs is away.
  static Failure outage(std::string const& reason) { return {Kind::outage, "outage", reason, {}}; }

  Kind kind() const noexcept { return kind_; }
  std::string const& error_class() const noexcept { return class_; }
  std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }

 private:
  Failure(Kind kind, std::string error_class, std::string const& reason,
          std::optional<std::chrono::milliseconds> retry_after)
      : std::runtime_error{reason}, kind_{kind}, class_{std::move(error_class)}, retry_after_{retry_after} {}

  Kind kind_;
  std::string class_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

}  // namespace omnibus
