// A worker that lives until it is killed: engine_victim DATABASE_URL TOPIC GROUP, on the broker of OMNIBUS_TEST_KAFKA.
// Its handler writes the event's effect and publishes one reply. With OMNIBUS_TEST_DEFERS, the ms
// between writes of what is deferred, it defers the keys in `closed`.
#include "tests/common/engine/deferring.hpp"

#include <csignal>
#include <cstdlib>

#include <sys/prctl.h>
#include <unistd.h>

using namespace omnibus::engine::test;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Broker broker;
  auto const* const defers = std::getenv("OMNIBUS_TEST_DEFERS");
  auto settings = defers != nullptr ? deferring() : omnibus::engine::EngineSettings{};
  if (defers != nullptr) settings.deferral_interval = std::chrono::milliseconds{std::atoi(defers)};
  DatabaseEngine const engine{
      broker, argv[1], argv[2], argv[3], each(defers != nullptr ? write_unless_closed : write_and_reply), settings};
  for (;;) pause();
}
