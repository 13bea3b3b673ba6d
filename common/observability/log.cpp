#include "observability/log.hpp"

#include "json/encode.hpp"
#include "time/time.hpp"

#include <array>
#include <cmath>
#include <iterator>
#include <memory>
#include <mutex>

#include <fmt/format.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace omnibus::log {
namespace {

constexpr std::size_t longest_value = 512;
constexpr std::string_view ellipsis = "\xE2\x80\xA6";
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

/// Never destroyed: threads may log while statics are destroyed.
Output& output() {
  static auto* const instance = [] {
    auto* made = new Output;
    made->logger = logger_on(std::make_shared<spdlog::sinks::stdout_sink_mt>());
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
  line += format_time_ms(wall_clock_ms(), Fraction::always);
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
