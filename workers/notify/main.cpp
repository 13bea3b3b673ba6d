#include "engine/worker.hpp"
#include "workers/notify/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::notify::NotifyHandler>(argc, argv);
}
