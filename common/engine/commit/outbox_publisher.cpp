#include "engine/commit/outbox_publisher.hpp"

#include "faults/failpoint.hpp"
#include "observability/log.hpp"
#include "postgres/outbox_publishing.hpp"

#include <algorithm>
#include <mutex>
#include <span>
#include <utility>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/redirect_error.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/pqxx>

namespace omnibus::engine {
namespace {

constexpr std::chrono::milliseconds gather{20};     // removals wait this long, to share a statement
constexpr std::chrono::milliseconds back_off{250};  // after a full queue, a failed delivery or a database error
constexpr std::int64_t no_row = 0;

}  // namespace

/// Shared with the producer's callbacks, which may outlive the publisher.
struct OutboxPublisher::Acknowledged {
  std::mutex mutex;
  OutboxPublisher* publisher = nullptr;  ///< null once it is destroyed
  std::vector<std::int64_t> ids;
  std::vector<Waiting> failed;
  std::vector<postgres::RefusedRow> refused;

  bool none() const { return ids.empty() && failed.empty() && refused.empty(); }
};

OutboxPublisher::OutboxPublisher(boost::asio::io_context& loop, kafka::Producer& producer,
                                 postgres::TransactionPool* pool)
    : loop_{loop}, producer_{producer}, pool_{pool}, retry_{loop}, acknowledged_{std::make_shared<Acknowledged>()} {
  acknowledged_->publisher = this;
}

OutboxPublisher::~OutboxPublisher() {
  std::scoped_lock const lock{acknowledged_->mutex};
  acknowledged_->publisher = nullptr;
}

void OutboxPublisher::publish(std::vector<postgres::OutboxRow> rows) {
  for (auto& row : rows) {
    if (row.id != no_row && !held_.insert(row.id).second) continue;
    ++unpublished_;
    backlog_.push_back({given_++, std::move(row)});
  }
  send_backlog();
}

void OutboxPublisher::send_backlog() {
  // Records that failed before this generation are in the backlog then; one that fails later blocks those behind it.
  auto const generation = producer_.generation();
  take_back_failed();
  while (!backlog_.empty()) {
    auto waiting = std::make_shared<Waiting>(std::move(backlog_.front()));
    auto const acknowledge = [shared = acknowledged_, waiting](kafka::Acknowledgement const& delivery) {
      std::scoped_lock const lock{shared->mutex};
      if (shared->publisher == nullptr) return;
      auto const first = shared->none();
      if (delivery.error == nullptr)
        shared->ids.push_back(waiting->row.id);
      else if (auto refused = postgres::refused_row(waiting->row, *delivery.error))
        shared->refused.push_back(*std::move(refused));
      else
        shared->failed.push_back(std::move(*waiting));
      if (first)
        boost::asio::post(shared->publisher->loop_, [publisher = shared->publisher] { publisher->on_acknowledged(); });
    };
    try {
      producer_.produce(waiting->row.record, acknowledge, generation);
      backlog_.pop_front();
    } catch (kafka::Error const& error) {
      auto refused = postgres::refused_row(waiting->row, error);
      // What the client rejects for good is wrong with the record, whatever the code.
      if (!refused && !error.retriable()) refused = postgres::RefusedRow{waiting->row.id, error.what(), false};
      if (refused) {
        backlog_.pop_front();
        refuse(*std::move(refused));
        continue;
      }
      backlog_.front() = std::move(*waiting);
      return retry_later();
    }
  }
  settle();
}

void OutboxPublisher::refuse(postgres::RefusedRow row) {
  --unpublished_;
  if (row.id == no_row || pool_ == nullptr)
    postgres::tell_refused(std::span{&row, 1});
  else
    to_refuse_.push_back(std::move(row));
}

void OutboxPublisher::settle() {
  auto const waiting = !to_remove_.empty() || !to_refuse_.empty();
  if (pool_ != nullptr && waiting && !std::exchange(removing_, true))
    boost::asio::co_spawn(loop_, remove(), boost::asio::detached);
}

void OutboxPublisher::retry_later() {
  if (retry_.expiry() > std::chrono::steady_clock::now()) return;
  retry_.expires_after(back_off);
  retry_.async_wait([this](boost::system::error_code const& cancelled) {
    if (!cancelled) send_backlog();
  });
}

void OutboxPublisher::take_back_failed() {
  std::vector<Waiting> failed;
  {
    std::scoped_lock const lock{acknowledged_->mutex};
    failed.swap(acknowledged_->failed);
  }
  if (failed.empty()) return;
  log::warn("publishing failed and is tried again", {{"records", failed.size()}});
  std::ranges::move(failed, std::back_inserter(backlog_));
  std::ranges::sort(backlog_, {}, &Waiting::number);
}

void OutboxPublisher::on_acknowledged() {
  OMNIBUS_FAILPOINT("published");
  auto failed = false;
  std::vector<postgres::RefusedRow> refused;
  {
    std::scoped_lock const lock{acknowledged_->mutex};
    unpublished_ -= acknowledged_->ids.size();
    std::ranges::copy_if(acknowledged_->ids, std::back_inserter(to_remove_), [](auto id) { return id != no_row; });
    acknowledged_->ids.clear();
    refused.swap(acknowledged_->refused);
    failed = !acknowledged_->failed.empty();
  }
  for (auto& row : refused) refuse(std::move(row));
  if (failed)
    retry_later();
  else
    send_backlog();
  settle();
}

Task<> OutboxPublisher::remove() {
  boost::asio::steady_timer timer{loop_};
  auto delay = gather;
  while (!to_remove_.empty() || !to_refuse_.empty()) {
    timer.expires_after(delay);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
    auto const ids = std::exchange(to_remove_, {});
    auto const refused = std::exchange(to_refuse_, {});
    OMNIBUS_FAILPOINT("outbox.remove");
    try {
      auto job = pool_->run([&](pqxx::connection& connection) {
        postgres::remove_published(connection, ids);
        if (refused.empty()) return;
        pqxx::work transaction{connection};
        postgres::refuse_rows(transaction, refused);
        transaction.commit();
      });
      co_await std::move(job);
      OMNIBUS_FAILPOINT("outbox.removed");
      for (auto const id : ids) held_.erase(id);
      for (auto const& row : refused) held_.erase(row.id);
      postgres::tell_refused(refused);
      delay = gather;
    } catch (std::exception const& error) {
      log::warn("outbox rows could not be removed yet",
                {{"rows", ids.size() + refused.size()}, {"reason", error.what()}});
      to_remove_.insert(to_remove_.end(), ids.begin(), ids.end());
      to_refuse_.insert(to_refuse_.end(), refused.begin(), refused.end());
      delay = back_off;
    }
  }
  removing_ = false;
}

Task<bool> OutboxPublisher::drain(std::chrono::steady_clock::time_point deadline) {
  boost::asio::steady_timer timer{loop_};
  while (unpublished_ > 0 || removing_ || !to_remove_.empty() || !to_refuse_.empty()) {
    if (std::chrono::steady_clock::now() >= deadline) co_return false;
    timer.expires_after(gather);
    auto wait = timer.async_wait(boost::asio::use_awaitable);
    co_await std::move(wait);
  }
  co_return true;
}

}  // namespace omnibus::engine
