/// Maps requests to handlers.
#pragma once

#include "concurrency/task.hpp"
#include "http/message.hpp"

#include <chrono>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace omnibus::http {

/// A response that is written piece by piece while the peer is connected: server-sent events, long downloads.
/// Lives as long as its handler runs; used only on the executor the handler runs on.
class Stream {
 public:
  virtual ~Stream() = default;

  /// Sends status and headers. The body is chunked (or ends with the connection for an HTTP/1.0 peer), unless there is
  /// a Content-Length: then exactly as many bytes must be written.
  /// @throws boost::system::system_error when the peer is gone.
  virtual Task<> start(int status, Headers headers) = 0;
  /// Sends a piece of the body; resumes once the kernel has accepted it, so a slow reader slows its writer.
  /// @throws boost::system::system_error when the peer is gone or took longer than the write timeout.
  virtual Task<> write(std::string_view piece) = 0;
  /// Answers with an ordinary response instead of a stream; only before start().
  virtual Task<> respond(Response response) = 0;
  /// Resets the connection, so that the peer sees a broken connection. For simulating faults.
  virtual void reset() = 0;
  /// True once the peer has closed, a write failed, or the server is stopping: then end the handler soon.
  virtual bool closed() const = 0;
  /// True once the peer broke off: it closed with bytes unread, or a write failed.
  virtual bool broken() const { return false; }
  /// Calls back once when closed() becomes true (at once when it is), on the handler's executor. One callback at a
  /// time.
  virtual void on_close(std::function<void()> callback) = 0;
  /// Waits for a while, or until closed() becomes true; that the peer closes is noticed here also before start().
  virtual Task<> wait(std::chrono::milliseconds duration) = 0;
};

/// Answers a request with a whole response. The request outlives the coroutine.
using Handler = std::function<Task<Response>(Request const&)>;
/// Answers a request with a stream. Request and stream outlive the coroutine.
using StreamHandler = std::function<Task<>(Request const&, Stream&)>;
/// Looks at a request before its body is read. A response refuses it: it is sent, and the connection is closed. The
/// request has its head and path only, and outlives the coroutine. Must not throw.
using Doorkeeper = std::function<Task<std::optional<Response>>(Request const&)>;

/// Routes by method and path. A pattern consists of literal segments and `{name}` segments, each of which matches one
/// non-empty segment: `/v1/conversations/{id}`. Literals win over parameters. Filled before the server starts, then
/// only read, from any thread.
class Router {
 public:
  /// @throws std::invalid_argument for a malformed pattern or one that is already taken.
  void add(std::string method, std::string_view pattern, Handler handler);
  void add_stream(std::string method, std::string_view pattern, StreamHandler handler);
  void get(std::string_view pattern, Handler handler) { add("GET", pattern, std::move(handler)); }
  void post(std::string_view pattern, Handler handler) { add("POST", pattern, std::move(handler)); }
  /// Answers what no route takes, in place of the problem responses 404 and 405.
  void otherwise(Handler handler) { otherwise_ = std::move(handler); }

  /// Asks about every request of which a part of the body has still to arrive; a small body comes with its head.
  void before_body(Doorkeeper doorkeeper) { doorkeeper_ = std::move(doorkeeper); }
  Doorkeeper const& doorkeeper() const { return doorkeeper_; }

  struct Match {
    Handler const* handler = nullptr;       ///< set when an ordinary route matched
    StreamHandler const* stream = nullptr;  ///< set when a streaming route matched
    std::string_view pattern;               ///< of the route that matched, for metrics; empty when the path is unknown
    std::string allow;                      ///< methods of the path when only the method did not match
  };
  /// Finds the route and puts the path parameters into the request. A HEAD request matches GET routes.
  Match match(Request& request) const;

 private:
  struct Segment {
    std::string text;
    bool parameter = false;
  };
  struct Route {
    std::string method;
    std::string pattern;
    std::vector<Segment> segments;
    Handler handler;
    StreamHandler stream;
  };
  void insert(Route route, std::string_view pattern);
  std::vector<Route> routes_;
  Handler otherwise_;
  Doorkeeper doorkeeper_;
};

}  // namespace omnibus::http
