#include "engine/worker.hpp"
#include "workers/report/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::report::ReportHandler>(argc, argv);
}
