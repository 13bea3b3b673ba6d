#include "engine/worker.hpp"
#include "workers/telemetry/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::telemetry::TelemetryHandler>(argc, argv);
}
