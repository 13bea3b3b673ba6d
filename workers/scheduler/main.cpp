#include "workers/scheduler/scheduler.hpp"

int main(int argc, char** argv) {
  return omnibus::scheduler::run(argc, argv);
}
