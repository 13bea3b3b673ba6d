#include "engine/worker.hpp"
#include "workers/chat/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::chat::ChatHandler>(argc, argv);
}
