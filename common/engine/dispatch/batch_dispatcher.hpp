/// Starts deliveries in batches.
#pragma once

#include "concurrency/task.hpp"
#include "engine/dispatch/batch.hpp"
#include "engine/dispatch/dispatch.hpp"

#include <cstddef>
#include <deque>
#include <memory>
#include <vector>

#include <boost/asio/io_context.hpp>

namespace omnibus::engine {

/// The processor that a batch dispatcher calls. Called on the event loop.
class BatchProcessor : public Leaving {
 public:
  /// Decodes a delivery into the batch: adds an entry. Must not throw.
  virtual void decode(Batch& batch, Delivery& delivery) = 0;
  /// Commits the batch and marks each entry finished, or not when its partition was given up. Must not throw.
  virtual Task<> commit(Batch& batch) = 0;
};

/// A batch is committed while the next is decoded, which holds everything that arrived in between, up to `most`.
/// A batch begins as soon as none is under way. If several may run, a further one begins only when it is full. Batches
/// begin in the order of arrival; concurrent ones end in any order.
class BatchDispatcher : public Dispatch {
 public:
  /// @param items empty ones, at least two: one to fill, and one for each batch that may commit at the same time
  BatchDispatcher(boost::asio::io_context& loop, std::size_t most, std::vector<std::unique_ptr<BatchItems>> items,
                  BatchProcessor& processor);

  void submit(Delivery& delivery) override;
  void pump() override;
  bool is_free(Partition const&, std::uint64_t) const override { return false; }
  void open(Partition& partition) override;
  void close(Partition& partition) override;
  void drain(Partition& partition) override;
  void drop(Partition& partition) override;

  std::size_t in_flight() const override { return in_flight_; }
  std::size_t queued() const override { return alive_ - in_flight_; }
  std::size_t ready() const override { return ready_.size(); }
  std::size_t waiting_for_retry() const override { return 0; }
  std::size_t held_bytes() const override { return held_bytes_; }
  bool paused() const override;

 private:
  Task<> run(Batch& batch);
  void place(Delivery& delivery);
  void fill();
  void start();
  void settle(Batch& batch);
  void leave(Delivery& delivery, bool finished);
  std::deque<Delivery*> take_back(Partition const& partition);

  boost::asio::io_context& loop_;
  std::size_t most_;
  BatchProcessor& processor_;
  std::vector<Batch> batches_;
  Batch* filling_;
  std::vector<Batch*> idle_;
  std::deque<Delivery*> ready_;
  std::size_t alive_ = 0;
  std::size_t in_flight_ = 0;
  std::size_t held_bytes_ = 0;
};

}  // namespace omnibus::engine
