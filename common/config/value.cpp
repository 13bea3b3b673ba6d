#include "config/value.hpp"

#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include <fmt/format.h>

namespace omnibus::config::detail {
namespace {

struct UnitOfMeasure {
  std::string_view name;
  std::int64_t size;
};

constexpr std::array<UnitOfMeasure, 7> duration_units{{{"d", 86'400'000'000'000},
                                                       {"h", 3'600'000'000'000},
                                                       {"m", 60'000'000'000},
                                                       {"s", 1'000'000'000},
                                                       {"ms", 1'000'000},
                                                       {"us", 1'000},
                                                       {"ns", 1}}};
constexpr std::array<UnitOfMeasure, 4> byte_units{
    {{"GiB", 1LL << 30}, {"MiB", 1LL << 20}, {"KiB", 1LL << 10}, {"B", 1}}};

template <std::size_t N>
std::int64_t read_quantity(std::string_view text, std::array<UnitOfMeasure, N> const& units, bool unit_needed,
                           char const* form) {
  std::int64_t count = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), count);
  auto const unit = text.substr(static_cast<std::size_t>(end - text.data()));
  if (failure != std::errc{} || count < 0) throw ValueError(form);
  if (unit.empty() && (!unit_needed || count == 0)) return count;
  for (auto const& known : units) {
    if (unit != known.name) continue;
    if (count > std::numeric_limits<std::int64_t>::max() / known.size) throw ValueError("is too large");
    return count * known.size;
  }
  throw ValueError(form);
}

template <std::size_t N>
std::string write_quantity(std::int64_t value, std::array<UnitOfMeasure, N> const& units) {
  for (auto const& unit : units) {
    if (value != 0 && value % unit.size == 0) return fmt::format("{}{}", value / unit.size, unit.name);
  }
  return "0";
}

}  // namespace

bool read_bool(std::string_view text) {
  for (auto const* yes : {"true", "1", "yes", "on"}) {
    if (text == yes) return true;
  }
  for (auto const* no : {"false", "0", "no", "off"}) {
    if (text == no) return false;
  }
  throw ValueError("must be true or false");
}

double read_double(std::string_view text) {
  double value = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size() || !std::isfinite(value)) {
    throw ValueError("must be a number");
  }
  return value;
}

std::int64_t read_integer(std::string_view text) {
  std::int64_t value = 0;
  auto const [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (failure != std::errc{} || end != text.data() + text.size()) throw ValueError("must be a whole number");
  return value;
}

std::int64_t read_duration(std::string_view text) {
  return read_quantity(text, duration_units, true, "must be a duration such as 500ms, 30s or 5m");
}

ByteSize read_bytes(std::string_view text) {
  return {static_cast<std::uint64_t>(
      read_quantity(text, byte_units, false, "must be a size such as 4096, 512KiB or 64MiB"))};
}

ListenAddress read_listen_address(std::string_view text) {
  constexpr auto form = "must be HOST:PORT such as 127.0.0.1:8080, or [::1]:8080";
  auto const colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0) throw ValueError(form);
  auto host = text.substr(0, colon);
  auto const port_text = text.substr(colon + 1);
  bool const bracketed = host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  if (host.empty() || (!bracketed && host.find(':') != std::string_view::npos)) throw ValueError(form);
  std::uint16_t port = 0;
  auto const [end, failure] = std::from_chars(port_text.data(), port_text.data() + port_text.size(), port);
  if (failure != std::errc{} || end != port_text.data() + port_text.size()) throw ValueError(form);
  return {std::string(host), port};
}

std::string write_double(double value) {
  return fmt::format("{}", value);
}

std::string write_duration(std::int64_t nanoseconds) {
  return nanoseconds == 0 ? "0s" : write_quantity(nanoseconds, duration_units);
}

std::string write_bytes(ByteSize size) {
  for (auto const& unit : byte_units) {
    auto const one = static_cast<std::uint64_t>(unit.size);
    if (size.bytes != 0 && size.bytes % one == 0 && one > 1) return fmt::format("{}{}", size.bytes / one, unit.name);
  }
  return fmt::format("{}", size.bytes);
}

std::string write_listen_address(ListenAddress const& address) {
  auto const* form = address.host.find(':') == std::string::npos ? "{}:{}" : "[{}]:{}";
  return fmt::format(fmt::runtime(form), address.host, address.port);
}

}  // namespace omnibus::config::detail
