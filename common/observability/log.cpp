#include "observability/log.hpp"

#include <array>
#include <chrono>
#include <cmath>
#include <iterator>
#include <memory>
#include <mutex>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace omnibus::log {
namespace {

constexpr std::size_t longest_value = 512;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";
constexpr std::string_view replacement = "\xEF\xBF\xBD";
constexpr std::array<std::string_view, 5> level_names{"debug", "info", "warn", "error", "off"};

struct Output {
  std::mutex mutex;  // guards the pointers; spdlog's sinks guard their own writing
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<std::string const> worker = std::make_shared<std::string const>();
};

std::shared_ptr<spdlog::logger> logger_on(spdlog::sink_ptr sink) {
  auto logger = std::make_shared<spdlog::logger>("omnibus", std::move(sink));
  logger->set_pattern("%v");
  logger->set_level(spdlog::level::trace);
  logger->set_error_handler([](std::string const&) {});  // a closed stdout must not stop the work
  return logger;
}

/// Never destroyed: threads may log while statics are torn down.
Output& output() {
  static auto* const instance = [] {
    auto* made = new Output;
    made->logger = logger_on(std::make_shared<spdlog::sinks::stdout_sink_mt>());
    return made;
  }();
  return *instance;
}

/// The length of the valid UTF-8 sequence at the start of `text`, 0 where there is none.
std::size_t sequence_length(std::string_view text) {
  auto const byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  auto const continues = [&](std::size_t i) { return i < text.size() && (byte(i) & 0xC0) == 0x80; };
  auto const first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && byte(1) < 0xA0) return 0;   // overlong
    if (first == 0xED && byte(1) >= 0xA0) return 0;  // a surrogate
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && byte(1) < 0x90) return 0;   // overlong
    if (first == 0xF4 && byte(1) >= 0x90) return 0;  // past U+10FFFF
    return 4;
  }
  return 0;
}

void append_escaped(std::string& out, char character) {
  switch (character) {
    case '"':
      out += "\\\"";
      return;
    case '\\':
      out += "\\\\";
      return;
    case '\n':
      out += "\\n";
      return;
    case '\r':
      out += "\\r";
      return;
    case '\t':
      out += "\\t";
      return;
    default:
      break;
  }
  auto const code = static_cast<unsigned char>(character);
  if (code < 0x20 || code == 0x7F) {
    fmt::format_to(std::back_inserter(out), "\\u{:04x}", code);
    return;
  }
  out += character;
}

void append_member(std::string& out, std::string_view name, Value const& value) {
  out += ',';
  append_text(out, name);
  out += ':';
  value.append_json(out);
}

void append_timestamp(std::string& out) {
  auto const now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  auto const milliseconds = now.time_since_epoch().count() % 1000;
  auto const seconds = std::chrono::floor<std::chrono::seconds>(now);
  fmt::format_to(std::back_inserter(out), "{:%Y-%m-%dT%H:%M:%S}.{:03}Z", fmt::gmtime(seconds), milliseconds);
}

}  // namespace

namespace detail {

std::atomic<Level> threshold{Level::info};

void write(Level level, EventFields const* event, std::string_view message, std::initializer_list<Field> fields) {
  std::shared_ptr<spdlog::logger> logger;
  std::shared_ptr<std::string const> worker;
  {
    auto& out = output();
    std::scoped_lock const lock(out.mutex);
    logger = out.logger;
    worker = out.worker;
  }
  std::string line = R"({"ts":")";
  line.reserve(256);
  append_timestamp(line);
  line += '"';
  append_member(line, "level", level_names[static_cast<std::size_t>(level)]);
  append_member(line, "worker", *worker);
  append_member(line, "msg", message);
  if (event != nullptr) {
    if (!event->event_id.empty()) append_member(line, "event_id", event->event_id);
    append_member(line, "key_hash", fmt::format("{:016x}", event->key_hash));
    if (!event->trace_id.empty()) append_member(line, "trace_id", event->trace_id);
  }
  for (auto const& field : fields) append_member(line, field.name, field.value);
  line += '}';
  logger->log(spdlog::level::info, spdlog::string_view_t(line.data(), line.size()));
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
  out += '"';
  while (!text.empty()) {
    auto const length = sequence_length(text);
    if (length == 1) append_escaped(out, text.front());
    if (length > 1) out += text.substr(0, length);
    if (length == 0) out += replacement;
    text.remove_prefix(length == 0 ? 1 : length);
  }
  if (cut) out += ellipsis;
  out += '"';
}

void configure(std::string_view worker, Level level) {
  auto& out = output();
  std::scoped_lock const lock(out.mutex);
  out.worker = std::make_shared<std::string const>(worker);
  detail::threshold.store(level, std::memory_order_relaxed);
}

void redirect(std::ostream* to) {
  spdlog::sink_ptr sink;
  if (to != nullptr) {
    sink = std::make_shared<spdlog::sinks::ostream_sink_mt>(*to, true);
  } else {
    sink = std::make_shared<spdlog::sinks::stdout_sink_mt>();
  }
  auto& out = output();
  std::scoped_lock const lock(out.mutex);
  out.logger = logger_on(std::move(sink));
}

}  // namespace omnibus::log
