/// The failures that a handler reports.
#pragma once

#include <chrono>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

namespace omnibus {

/// Thrown by a handler (`throw Failure::transient("...")`). The reason goes to logs and dead-letter headers, so it must
/// not contain the event's content. The engine turns every other exception into one of these.
class Failure : public std::runtime_error {
 public:
  enum class Kind {
    transient,  ///< retry this event after a while; its key waits, other keys go on
    deferred,   ///< not caused by this event: retry later, count no attempt; its key waits, other keys go on
    permanent,  ///< cannot succeed: to the dead-letter topic
    outage      ///< something that every event needs is down: pause the worker, count no attempt
  };

  /// May succeed later. `retry_after` is the wait that the other side asked for; without it the engine backs off.
  /// `at_most` bounds every wait: the handler has something else to do by then.
  static Failure transient(std::string const& reason, std::optional<std::chrono::milliseconds> retry_after = {},
                           std::optional<std::chrono::milliseconds> at_most = {}) {
    return {Kind::transient, "transient", reason, retry_after, at_most};
  }
  /// May succeed once a condition ends that this event did not cause and that does not affect every event, such as an
  /// outage of one of several endpoints. Retries have no limit; they become rarer, and never come before `retry_after`
  /// unless `at_most`, as above, is shorter. The handler decides when to give up.
  static Failure deferred(std::string const& reason, std::optional<std::chrono::milliseconds> retry_after = {},
                          std::optional<std::chrono::milliseconds> at_most = {}) {
    return {Kind::deferred, "deferred", reason, retry_after, at_most};
  }
  /// Cannot succeed. `error_class` is a short stable word for dashboards, such as `invalid_json`.
  static Failure permanent(std::string const& reason, std::string error_class = "permanent") {
    return {Kind::permanent, std::move(error_class), reason, {}, {}};
  }
  /// A database, broker or endpoint that every event needs is unavailable.
  static Failure outage(std::string const& reason) { return {Kind::outage, "outage", reason, {}, {}}; }

  Kind kind() const noexcept { return kind_; }
  std::string const& error_class() const noexcept { return class_; }
  std::optional<std::chrono::milliseconds> retry_after() const noexcept { return retry_after_; }
  std::optional<std::chrono::milliseconds> at_most() const noexcept { return at_most_; }

 private:
  Failure(Kind kind, std::string error_class, std::string const& reason,
          std::optional<std::chrono::milliseconds> retry_after, std::optional<std::chrono::milliseconds> at_most)
      : std::runtime_error{reason},
        kind_{kind},
        class_{std::move(error_class)},
        retry_after_{retry_after},
        at_most_{at_most} {}

  Kind kind_;
  std::string class_;
  std::optional<std::chrono::milliseconds> retry_after_;
  std::optional<std::chrono::milliseconds> at_most_;
};

}  // namespace omnibus
