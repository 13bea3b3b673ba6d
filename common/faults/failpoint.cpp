#include "faults/failpoint.hpp"

#include <atomic>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <vector>

#include <unistd.h>

namespace omnibus::faults {
namespace {

struct Failpoint {
  Failpoint(std::string_view its_name, std::uint64_t its_nth, int its_signal)
      : name{its_name}, nth{its_nth}, signal{its_signal} {}

  std::string_view name;
  std::uint64_t nth;
  int signal;
  std::atomic<std::uint64_t> reached{0};
};

[[noreturn]] void refuse(std::string_view part) {
  std::fprintf(stderr, "OMNIBUS_FAILPOINT: '%.*s' is not name[:nth[:kill|stop]]\n", static_cast<int>(part.size()),
               part.data());
  std::_Exit(2);
}

std::string_view take(std::string_view& text, char separator) {
  auto const end = text.find(separator);
  auto const part = text.substr(0, end);
  text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
  return part;
}

std::string_view variable(char const* name) {
  auto const* const value = std::getenv(name);
  return value != nullptr ? std::string_view{value} : std::string_view{};
}

std::deque<Failpoint> read_failpoints() {
  std::deque<Failpoint> failpoints;
  auto text = variable("OMNIBUS_FAILPOINT");
  while (!text.empty()) {
    auto const part = take(text, ',');
    auto rest = part;
    auto const name = take(rest, ':');
    auto const count = take(rest, ':');
    std::uint64_t nth = 1;
    if (!count.empty() && std::from_chars(count.data(), count.data() + count.size(), nth).ptr != count.end())
      refuse(part);
    if (name.empty() || nth == 0 || (!rest.empty() && rest != "kill" && rest != "stop")) refuse(part);
    failpoints.emplace_back(name, nth, rest == "stop" ? SIGSTOP : SIGKILL);
  }
  return failpoints;
}

std::vector<std::string_view> read_mutations() {
  std::vector<std::string_view> guards;
  for (auto text = variable("OMNIBUS_MUTATE"); !text.empty();) guards.push_back(take(text, ','));
  return guards;
}

}  // namespace

void reach(std::string_view name) {
  static auto failpoints = read_failpoints();
  for (auto& each : failpoints)
    if (each.name == name && ++each.reached == each.nth) kill(getpid(), each.signal);
}

bool mutated(std::string_view guard) {
  static auto const guards = read_mutations();
  for (auto const each : guards)
    if (each == guard) return true;
  return false;
}

}  // namespace omnibus::faults
