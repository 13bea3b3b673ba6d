// A worker that lives until it is killed: engine_victim DATABASE_URL TOPIC GROUP, on the broker of OMNIBUS_TEST_KAFKA.
// Its handler writes the event's effect and publishes one reply.
#include "tests/common/engine/database_engine.hpp"

#include <csignal>

#include <sys/prctl.h>
#include <unistd.h>

using namespace omnibus::engine::test;

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  Broker broker;
  DatabaseEngine const engine{broker, argv[1], argv[2], argv[3], each(write_and_reply)};
  for (;;) pause();
}
