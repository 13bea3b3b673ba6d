#include "observability/log.hpp"
#include "workers/cli/commands.hpp"

#include <iostream>

int main(int argc, char** argv) {
  omnibus::log::configure("omnibus", omnibus::log::Level::error);
  return omnibus::cli::run(argc, argv, std::cout, std::cerr);
}
