#include "workers/gateway/door/token_watch.hpp"

namespace omnibus::gateway {

Task<bool> TokenWatch::holds(Clock::time_point now) {
  if (now < due_) co_return true;
  due_ = now + interval;
  auto asking = admission_.still_valid(request_);
  co_return co_await std::move(asking);
}

}  // namespace omnibus::gateway
