#include "observability/log.hpp"

#include "json/encode.hpp"
#include "observability/line_writer.hpp"
#include "observability/log_output.hpp"
#include "time/time.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <exception>
#include <iterator>
#include <memory>
#include <mutex>
#include <optional>
#include <ostream>
#include <utility>

#include <fmt/format.h>
#include <unistd.h>

namespace omnibus::log {
namespace {

constexpr std::size_t longest_value = 512;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";
constexpr std::array<std::string_view, 5> level_names{"debug", "info", "warn", "error", "off"};

constexpr std::size_t most_waiting = 4 * 1024 * 1024;
constexpr std::chrono::seconds last_patience{2};

std::string notice_of(std::uint64_t dropped);

struct Output {
  std::mutex mutex{};  // guards the rest but the writer, which guards itself
  std::shared_ptr<std::string const> worker = std::make_shared<std::string const>();
  std::ostream* redirected = nullptr;
  std::optional<std::chrono::steady_clock::time_point> ends_at;  // the process is ending
  LineWriter writer{STDOUT_FILENO, most_waiting, notice_of};
};

std::terminate_handler other_terminate_handler = nullptr;

/// Never destroyed: threads may log while statics are destroyed.
Output& output() {
  static auto* const instance = [] {
    auto* const made = new Output;
    other_terminate_handler = std::set_terminate([] {
      flush(last_patience);
      other_terminate_handler();
    });
    std::atexit([] {
      auto& out = output();
      {
        std::scoped_lock const lock(out.mutex);
        out.ends_at = std::chrono::steady_clock::now() + last_patience;
      }
      flush(last_patience);
    });
    return made;
  }();
  return *instance;
}

void append_member(std::string& out, std::string_view name, Value const& value) {
  out += ',';
  append_text(out, name);
  out += ':';
  value.append_json(out);
}

std::string line_of(std::string_view worker, Level level, EventFields const* event, std::string_view message,
                    std::initializer_list<Field> fields) {
  std::string line = R"({"ts":")";
  line.reserve(256);
  line += format_time_ms(wall_clock_ms(), Fraction::always);
  line += '"';
  append_member(line, "level", level_names[static_cast<std::size_t>(level)]);
  append_member(line, "worker", worker);
  append_member(line, "msg", message);
  if (event != nullptr) {
    if (!event->event_id.empty()) append_member(line, "event_id", event->event_id);
    append_member(line, "key_hash", fmt::format("{:016x}", event->key_hash));
    if (!event->trace_id.empty()) append_member(line, "trace_id", event->trace_id);
  }
  for (auto const& field : fields) append_member(line, field.name, field.value);
  line += '}';
  return line;
}

std::shared_ptr<std::string const> worker_name() {
  auto& out = output();
  std::scoped_lock const lock(out.mutex);
  return out.worker;
}

std::string notice_of(std::uint64_t dropped) {
  return line_of(*worker_name(), Level::warn, nullptr, "log lines were dropped: nobody read stdout in time",
                 {{"lines", dropped}});
}

}  // namespace

namespace detail {

std::atomic<Level> threshold{Level::info};

void write(Level level, EventFields const* event, std::string_view message, std::initializer_list<Field> fields) {
  auto const line = line_of(*worker_name(), level, event, message, fields);
  auto& out = output();
  std::optional<std::chrono::steady_clock::time_point> ends_at;
  {
    std::scoped_lock const lock(out.mutex);
    if (out.redirected != nullptr) {
      *out.redirected << line << '\n';
      return;
    }
    ends_at = out.ends_at;
  }
  out.writer.add(line);
  if (ends_at) flush(std::chrono::ceil<std::chrono::milliseconds>(*ends_at - std::chrono::steady_clock::now()));
}

}  // namespace detail

std::optional<Level> parse_level(std::string_view name) {
  for (std::size_t i = 0; i < level_names.size(); ++i) {
    if (level_names[i] == name) return static_cast<Level>(i);
  }
  return std::nullopt;
}

void Value::append_json(std::string& out) const {
  switch (kind_) {
    case Kind::text:
      append_text(out, text_);
      return;
    case Kind::boolean:
      out += integer_ != 0 ? "true" : "false";
      return;
    case Kind::integer:
      fmt::format_to(std::back_inserter(out), "{}", integer_);
      return;
    case Kind::natural:
      fmt::format_to(std::back_inserter(out), "{}", natural_);
      return;
    case Kind::real:
      if (std::isfinite(real_)) {
        fmt::format_to(std::back_inserter(out), "{}", real_);
      } else {
        out += "null";  // JSON has no infinity and no NaN
      }
      return;
  }
}

void append_text(std::string& out, std::string_view text) {
  bool const cut = text.size() > longest_value;
  if (cut) {
    auto end = longest_value - ellipsis.size();
    for (int back = 0; back < 3 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++back) --end;
    text = text.substr(0, end);
  }
  json::append_string(out, text);
  if (cut) out.insert(out.size() - 1, ellipsis);
}

void configure(std::string_view worker, Level level) {
  auto& out = output();
  std::scoped_lock const lock(out.mutex);
  out.worker = std::make_shared<std::string const>(worker);
  detail::threshold.store(level, std::memory_order_relaxed);
}

void redirect(std::ostream* to) {
  auto& out = output();
  std::scoped_lock const lock(out.mutex);
  out.redirected = to;
}

bool flush(std::chrono::milliseconds patience) {
  return output().writer.flush(patience);
}

void leave(int status) {
  flush(last_patience);
  std::_Exit(status);
}

std::uint64_t dropped_lines() {
  return output().writer.dropped();
}

}  // namespace omnibus::log
