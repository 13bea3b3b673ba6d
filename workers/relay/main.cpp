#include "engine/publisher.hpp"
#include "workers/relay/relay.hpp"

int main(int argc, char** argv) {
  return omnibus::run_publisher<omnibus::relay::RelaySettings>(
      {"relay", "Publishes what workers committed and did not live to publish."}, argc, argv,
      omnibus::relay::sweep_until_told);
}
