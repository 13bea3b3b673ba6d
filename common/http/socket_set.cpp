#include "http/socket_set.hpp"

#include <cerrno>

#include <boost/system/system_error.hpp>

namespace omnibus::http {
namespace {

constexpr std::uint32_t all_events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

int make_set() {
  auto const set = epoll_create1(EPOLL_CLOEXEC);
  if (set < 0) throw boost::system::system_error(errno, boost::system::system_category(), "epoll_create1");
  return set;
}

}  // namespace

SocketSet::SocketSet(boost::asio::io_context& context) : descriptor_(context.get_executor(), make_set()) {}

bool SocketSet::add(int socket, SocketWatcher& watcher) {
  epoll_event event{all_events, {.ptr = &watcher}};
  return epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_ADD, socket, &event) == 0;
}

void SocketSet::remove(int socket, SocketWatcher const& watcher) {
  if (descriptor_.is_open()) epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_DEL, socket, nullptr);
  for (auto i = next_; i != count_; ++i)
    if (events_[i].data.ptr == &watcher) events_[i].data.ptr = nullptr;
}

void SocketSet::tell_again(int socket, SocketWatcher& watcher) {
  epoll_event event{all_events, {.ptr = &watcher}};
  epoll_ctl(descriptor_.native_handle(), EPOLL_CTL_MOD, socket, &event);
}

void SocketSet::fetch() {
  next_ = count_ = 0;
  if (!descriptor_.is_open()) return;
  auto const count = epoll_wait(descriptor_.native_handle(), events_.data(), static_cast<int>(events_.size()), 0);
  if (count > 0) count_ = static_cast<std::size_t>(count);
}

void SocketSet::close() {
  boost::system::error_code ignored;
  descriptor_.close(ignored);
}

}  // namespace omnibus::http
