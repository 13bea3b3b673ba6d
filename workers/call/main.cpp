#include "engine/worker.hpp"
#include "workers/call/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::call::CallHandler>(argc, argv);
}
