/// Readiness of many sockets with one descriptor in the event loop.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <boost/asio/io_context.hpp>
#include <boost/asio/posix/basic_stream_descriptor.hpp>
#include <sys/epoll.h>

namespace omnibus::http {

/// Whoever waits for a socket.
class SocketWatcher {
 public:
  virtual ~SocketWatcher() = default;
  /// The socket became readable, writable or broke; `events` as epoll has them. Told once for each change: whoever does
  /// not read until the socket would block asks SocketSet::tell_again().
  virtual void ready(std::uint32_t events) = 0;
  /// ready() will be called `turns` sockets later: 2, and then 1. To have come from memory by then what it needs.
  virtual void prefetch(unsigned /*turns*/) const {}
};

/// An epoll set that stands in Asio's own as one descriptor. A socket is registered once, edge-triggered, where Asio
/// makes a system call and allocates for each wait. Used on the loop's thread only.
class SocketSet {
 public:
  /// @throws boost::system::system_error when no descriptor is left.
  explicit SocketSet(boost::asio::io_context& context);

  /// Registers a socket; false, with errno set, when the system refuses. The watcher must stay until remove().
  bool add(int socket, SocketWatcher& watcher);
  /// Forgets a socket before it is closed, and what of it is not told yet.
  void remove(int socket, SocketWatcher const& watcher);
  /// Tells the watcher once more, after others had their turn.
  void tell_again(int socket, SocketWatcher& watcher);

  /// Waits until take() has something to tell. Nothing comes of it after close().
  template <class Handler>
  void async_wait(Handler&& handler) {
    descriptor_.async_wait(boost::asio::posix::descriptor_base::wait_read, std::forward<Handler>(handler));
  }
  /// Calls `each(watcher, events)` for a limited number of sockets that are ready. When it throws, the next call
  /// continues behind the one that threw.
  template <class Each>
  void take(Each&& each) {
    if (next_ == count_) fetch();
    while (next_ != count_) {
      prefetch();
      auto const& event = events_[next_++];
      if (event.data.ptr != nullptr) each(*static_cast<SocketWatcher*>(event.data.ptr), event.events);
    }
  }
  void close();

 private:
  void fetch();
  /// Of thousands of watchers none is in the cache.
  void prefetch() const {
    if (next_ + 3 < count_) __builtin_prefetch(events_[next_ + 3].data.ptr);
    for (auto const turns : {2U, 1U}) {
      if (next_ + turns >= count_ || events_[next_ + turns].data.ptr == nullptr) continue;
      static_cast<SocketWatcher const*>(events_[next_ + turns].data.ptr)->prefetch(turns);
    }
  }

  boost::asio::posix::basic_stream_descriptor<boost::asio::io_context::executor_type> descriptor_;
  std::array<epoll_event, 256> events_{};
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

}  // namespace omnibus::http
