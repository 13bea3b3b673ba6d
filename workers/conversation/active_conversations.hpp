/// How many conversations run, for the metrics.
#pragma once

#include "concurrency/task.hpp"
#include "postgres/pool.hpp"

#include <boost/asio/io_context.hpp>

namespace omnibus::conversation {

/// Counts the running conversations in the database again and again, and shows their number: every process shows that
/// of all processes, whichever began or ended a conversation. Runs until the event loop ends.
Task<> show_active_conversations(boost::asio::io_context& loop, TransactionPool& pool);

}  // namespace omnibus::conversation
