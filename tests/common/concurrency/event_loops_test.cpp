#include "concurrency/event_loops.hpp"

#include <atomic>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

#include <boost/asio/post.hpp>
#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("each loop has a thread, the first that of the caller, and a stop ends them all") {
  EventLoops loops{3};
  std::vector<std::thread::id> threads(3);
  std::atomic<int> ran{0};
  for (std::size_t i = 0; i < loops.count(); ++i) {
    boost::asio::post(loops.at(i), [&, i] {
      threads[i] = std::this_thread::get_id();
      if (++ran == 3) loops.stop();
    });
  }
  loops.run();
  CHECK(ran == 3);
  CHECK(threads[0] == std::this_thread::get_id());
  CHECK(std::set<std::thread::id>{threads.begin(), threads.end()}.size() == 3);
}

TEST_CASE("an exception on one loop ends them all and reaches the caller") {
  EventLoops loops{2};
  boost::asio::post(loops.at(1), [] { throw std::runtime_error{"broken"}; });
  CHECK_THROWS_WITH_AS(loops.run(), "broken", std::runtime_error);
}
