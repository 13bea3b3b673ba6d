#include "engine/worker.hpp"
#include "workers/conversation/handler.hpp"

int main(int argc, char** argv) {
  return omnibus::run_worker<omnibus::conversation::ConversationHandler>(argc, argv);
}
