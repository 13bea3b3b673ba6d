#include "engine/batch_handler.hpp"

#include "engine/classify.hpp"
#include "observability/log.hpp"

#include <algorithm>
#include <chrono>
#include <map>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace omnibus::engine {
namespace {

constexpr std::chrono::milliseconds first_delay{100};
constexpr std::chrono::milliseconds longest_delay{2'000};

}  // namespace

Task<> Batcher::join(Context& context, void const* item) {
  Entry entry{&context, item, {}, {}};
  pending_.push_back(&entry);
  if (!std::exchange(running_, true)) boost::asio::co_spawn(loop_, run(), boost::asio::detached);
  auto waiting = entry.done.wait();
  co_await std::move(waiting);
  if (entry.error) std::rethrow_exception(entry.error);
}

Task<> Batcher::run() {
  // After everything that is ready has joined.
  auto turn = boost::asio::post(loop_, boost::asio::use_awaitable);
  co_await std::move(turn);
  while (!pending_.empty()) {
    auto const count = std::min(most_, pending_.size());
    std::vector<Entry*> const batch(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    auto committing = commit(batch);
    co_await std::move(committing);
    for (auto* const entry : batch) entry->done.raise();
  }
  running_ = false;
}

Task<> Batcher::commit(Entries entries) {
  boost::asio::steady_timer timer{loop_};
  for (auto delay = first_delay;; delay = std::min(delay * 2, longest_delay)) {
    std::exception_ptr error;
    try {
      auto committing = commit_once(entries);
      co_await std::move(committing);
      co_return;
    } catch (...) {
      error = std::current_exception();
    }
    auto const failure = classify(error);
    auto const permanent = failure && failure->kind() == Failure::Kind::permanent;
    // Halved until the event at fault is alone, or the partition that has another owner.
    if ((permanent || !failure) && entries.size() > 1) {
      auto first = commit(entries.first(entries.size() / 2));
      co_await std::move(first);
      auto second = commit(entries.subspan(entries.size() / 2));
      co_await std::move(second);
      co_return;
    }
    auto const wanted = std::ranges::any_of(entries, [](auto const* entry) { return entry->context->still_wanted(); });
    if (permanent || !wanted) {
      for (auto* const entry : entries) entry->error = error;
      co_return;
    }
    if (!failure) entries.front()->context->confirm_ownership();
    // In place, so that no batch overtakes another.
    log::warn("a batch is tried again",
              {{"events", entries.size()}, {"reason", failure ? failure->what() : Fenced{}.what()}});
    timer.expires_after(delay);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
}

Task<> Batcher::commit_once(Entries entries) {
  std::vector<Context*> contexts;
  contexts.reserve(entries.size());
  for (auto const* const entry : entries) contexts.push_back(entry->context);
  auto committing =
      Context::commit_batch(contexts, [&](pqxx::transaction_base& transaction, std::vector<bool> const& is_new) {
        std::vector<void const*> items;
        items.reserve(entries.size());
        for (std::size_t i = 0; i < entries.size(); ++i)
          if (is_new[i]) items.push_back(entries[i]->item);
        apply_(transaction, items);
      });
  co_await std::move(committing);
}

}  // namespace omnibus::engine
