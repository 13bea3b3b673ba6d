#include "concurrency/outgoing.hpp"

#include <atomic>
#include <string>

namespace omnibus {
namespace {

std::atomic<int> bans{0};

}  // namespace

OutgoingBan::OutgoingBan() {
  ++bans;
}

OutgoingBan::~OutgoingBan() {
  --bans;
}

void require_outgoing(std::string_view what) {
  if (bans.load(std::memory_order_relaxed) == 0) return;
  throw OutgoingRefused{"a replay sends nothing, and was about to send " + std::string{what}};
}

}  // namespace omnibus
