#include "engine/publisher.hpp"
#include "workers/scheduler/scheduler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_publisher<omnibus::scheduler::SchedulerSettings>(
      {"scheduler", "Publishes an event when a schedule is due."}, argc, argv, omnibus::scheduler::tick_until_told);
}
