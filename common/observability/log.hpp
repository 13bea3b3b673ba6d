/// Structured log: one JSON object per line on stdout.
///
/// Every line has `ts` (RFC 3339, UTC, milliseconds), `level`, `worker` and `msg`, then the event it is about, if
/// any, then typed fields. Log only ids, counts, durations and reasons. Never log a message's body, a
/// phone number or a secret.
///
/// Any thread may log, and none waits for stdout (see log_output.hpp). A line below the level costs no allocation.
#pragma once

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

#include <boost/describe/enum.hpp>

namespace omnibus::log {

enum class Level : std::uint8_t { debug, info, warn, error, off };
BOOST_DESCRIBE_ENUM(Level, debug, info, warn, error, off)

/// The level with that name (`debug`, `info`, `warn`, `error`, `off`), or nothing.
std::optional<Level> parse_level(std::string_view name);

/// One field's value: a borrowed text, a number or a bool. Valid only during the call that logs it.
class Value {
 public:
  enum class Kind : std::uint8_t { text, boolean, integer, natural, real };

  Value(std::string_view text) : kind_(Kind::text), text_(text) {}
  Value(char const* text) : Value(std::string_view(text)) {}
  Value(std::string const& text) : Value(std::string_view(text)) {}
  Value(bool truth) : kind_(Kind::boolean), integer_(truth ? 1 : 0) {}
  Value(std::signed_integral auto number) : kind_(Kind::integer), integer_(number) {}
  Value(std::unsigned_integral auto number) : kind_(Kind::natural), natural_(number) {}
  Value(std::floating_point auto number) : kind_(Kind::real), real_(static_cast<double>(number)) {}

  void append_json(std::string& out) const;

 private:
  Kind kind_;
  union {
    std::string_view text_;
    std::int64_t integer_;
    std::uint64_t natural_;
    double real_;
  };
};

struct Field {
  std::string_view name;
  Value value;
};

/// The event of a line. Passed explicitly: a coroutine may resume on another thread than it was suspended on.
struct EventFields {
  std::string_view event_id;
  std::uint64_t key_hash = 0;
  std::string_view trace_id;
};

namespace detail {
extern std::atomic<Level> threshold;
void write(Level level, EventFields const* event, std::string_view message, std::initializer_list<Field> fields);
}  // namespace detail

/// Names this process in every line and sets the level below which nothing is written. Call once, before logging.
void configure(std::string_view worker, Level level = Level::info);
/// Sends the lines to `out` instead of stdout; nullptr sends them to stdout again. For tests; `out` must outlive the
/// use.
void redirect(std::ostream* out);

/// Whether a line of this level would be written: check it before preparing an expensive field.
inline bool enabled(Level level) noexcept {
  return level >= detail::threshold.load(std::memory_order_relaxed);
}

inline void write(Level level, std::string_view message, std::initializer_list<Field> fields = {}) {
  if (enabled(level)) detail::write(level, nullptr, message, fields);
}
inline void write(Level level, EventFields const& event, std::string_view message,
                  std::initializer_list<Field> fields = {}) {
  if (enabled(level)) detail::write(level, &event, message, fields);
}

inline void debug(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::info, message, fields);
}
inline void warn(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::warn, message, fields);
}
inline void error(std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::error, message, fields);
}

inline void debug(EventFields const& event, std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::debug, event, message, fields);
}
inline void info(EventFields const& event, std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::info, event, message, fields);
}
inline void warn(EventFields const& event, std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::warn, event, message, fields);
}
inline void error(EventFields const& event, std::string_view message, std::initializer_list<Field> fields = {}) {
  write(Level::error, event, message, fields);
}

/// Appends `text` as a JSON string: escaped, invalid UTF-8 replaced by U+FFFD, cut at 512 bytes with a trailing "…".
void append_text(std::string& out, std::string_view text);

}  // namespace omnibus::log
