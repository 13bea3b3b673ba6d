#include "containers/share_queue.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("shares take turns, and keep their own order") {
  ShareQueue<int> queue;
  for (int i = 0; i < 4; ++i) queue.push("flood", i);
  queue.push("other", 10);
  queue.push("third", 20);
  CHECK(queue.size() == 6);
  CHECK(queue.size("flood") == 4);
  CHECK(queue.size("nothing") == 0);
  std::string order;
  while (!queue.empty()) order += std::to_string(queue.pop()) + " ";
  CHECK(order == "0 10 20 1 2 3 ");
}

TEST_CASE("a share that comes back waits behind those that are there") {
  ShareQueue<int> queue;
  queue.push("a", 1);
  queue.push("b", 2);
  CHECK(queue.pop() == 1);
  queue.push("a", 3);
  CHECK(queue.pop() == 2);
  CHECK(queue.pop() == 3);
  CHECK(queue.size("a") == 0);
}
