/// The limit our client is held against: the same requests by a client written for nothing else.
#pragma once

#include <cstdint>
#include <string>

namespace omnibus::bench {

/// Keeps `in_flight` requests going over as many connections, with bare sockets and epoll, until `seconds` have
/// passed. Understands no more of the answers than where they end. @return how many were answered
std::uint64_t run_hand_written(std::string const& address, std::uint16_t port, std::string const& request,
                               int in_flight, double warm_up, double seconds);

}  // namespace omnibus::bench
