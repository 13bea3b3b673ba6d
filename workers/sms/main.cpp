#include "engine/worker.hpp"
#include "workers/sms/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::sms::SmsHandler>(argc, argv);
}
