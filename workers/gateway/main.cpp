#include "workers/gateway/gateway.hpp"

int main(int argc, char** argv) {
  return omnibus::gateway::run(argc, argv);
}
