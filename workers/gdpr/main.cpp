#include "engine/worker.hpp"
#include "workers/gdpr/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::gdpr::GdprHandler>(argc, argv);
}
