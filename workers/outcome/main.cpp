#include "engine/worker.hpp"
#include "workers/outcome/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::outcome::OutcomeHandler>(argc, argv);
}
