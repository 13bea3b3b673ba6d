#include "workers/relay/relay.hpp"

int main(int argc, char** argv) {
  return omnibus::relay::run(argc, argv);
}
