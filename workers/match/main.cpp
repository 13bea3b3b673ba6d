#include "engine/worker.hpp"
#include "workers/match/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::match::MatchHandler>(argc, argv);
}
