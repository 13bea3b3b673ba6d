/// A worker in a process of its own, to be killed.
#pragma once

#include "tests/common/engine/engine_fixture.hpp"

#include <csignal>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include <sys/wait.h>
#include <unistd.h>

namespace omnibus::engine::test {

/// Runs engine_victim, which stands beside this program. Killed at the latest when it goes out of scope.
class Victim {
 public:
  /// @param settings variables for it alone, each as NAME=value
  Victim(Broker const& broker, std::string const& database_url, std::string const& topic, std::string const& group,
         std::vector<std::string> const& settings = {}) {
    auto const program = std::filesystem::read_symlink("/proc/self/exe").replace_filename("engine_victim").string();
    auto const kafka = "OMNIBUS_TEST_KAFKA=" + broker.client.brokers;
    char const* const arguments[] = {program.c_str(), database_url.c_str(), topic.c_str(), group.c_str(), nullptr};
    std::vector<char const*> environment{kafka.c_str()};
    for (auto** variable = environ; *variable != nullptr; ++variable)
      if (!std::string_view{*variable}.starts_with("OMNIBUS_TEST_KAFKA=")) environment.push_back(*variable);
    for (auto const& setting : settings) environment.push_back(setting.c_str());
    environment.push_back(nullptr);
    process_ = fork();
    if (process_ < 0) throw std::runtime_error("fork");
    if (process_ > 0) return;
    execve(program.c_str(), const_cast<char**>(arguments), const_cast<char**>(environment.data()));
    _exit(127);
  }
  Victim(Victim const&) = delete;
  Victim& operator=(Victim const&) = delete;
  ~Victim() { kill(); }

  /// @return whether it was alive until now.
  bool kill() {
    if (process_ <= 0) return false;
    int status = 0;
    ::kill(process_, SIGKILL);
    waitpid(std::exchange(process_, -1), &status, 0);
    return WIFSIGNALED(status);
  }

  /// Waits until it has ended. @return whether it was killed
  bool ended() {
    int status = 0;
    waitpid(std::exchange(process_, -1), &status, 0);
    return WIFSIGNALED(status);
  }

 private:
  pid_t process_ = -1;
};

}  // namespace omnibus::engine::test
