#include "postgres/pool.hpp"

#include "containers/share_queue.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <string_view>
#include <thread>
#include <vector>

#include <boost/asio/associated_executor.hpp>
#include <boost/asio/async_result.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <pqxx/pqxx>

namespace omnibus::postgres {
namespace asio = boost::asio;
using Clock = std::chrono::steady_clock;

namespace {

/// Work that waits for a thread, with its waiting coroutine.
struct WaitingJob {
  explicit WaitingJob(std::function<void(pqxx::connection&)> work) : job(std::move(work)) {}
  WaitingJob(WaitingJob const&) = delete;
  WaitingJob& operator=(WaitingJob const&) = delete;
  virtual ~WaitingJob() = default;

  /// Resumes the coroutine on its own executor.
  virtual void complete(std::exception_ptr error) = 0;

  std::function<void(pqxx::connection&)> job;
  Clock::time_point since = Clock::now();
};

template <class Handler>
struct WaitingFor final : WaitingJob {
  WaitingFor(std::function<void(pqxx::connection&)> work, Handler waiter)
      : WaitingJob(std::move(work)), handler(std::move(waiter)), guard(asio::get_associated_executor(handler)) {}

  void complete(std::exception_ptr error) override {
    auto const executor = guard.get_executor();
    asio::post(executor,
               [waiter = std::move(handler), error = std::move(error)]() mutable { waiter(std::move(error)); });
    guard.reset();
  }

  Handler handler;
  asio::executor_work_guard<asio::associated_executor_t<Handler>> guard;
};

/// Whether a statement that the connection has prepared may be of no use any more: a migration changed its rows (0A000,
/// "cached plan must not change result type"), or the server has forgotten it (26000).
bool needs_new_statements(pqxx::sql_error const& error) {
  return error.sqlstate() == "0A000" || error.sqlstate() == "26000";
}

/// A thread's connection, while there is one.
class PooledSession {
 public:
  explicit PooledSession(PoolSettings const& settings) : settings_{settings} {}

  pqxx::connection* get() { return connection_.get(); }
  void connect() {
    connection_ = postgres::connect(settings_);
    interval_ = settings_.plan_again_after;
    plan_again_ = Clock::now() + interval_;
  }
  void close() { connection_.reset(); }

  void forget_old_plans(Clock::time_point now) {
    if (now < plan_again_) return;
    pqxx::nontransaction{*connection_}.exec("DISCARD PLANS");
    interval_ = std::min<std::chrono::milliseconds>(2 * interval_, longest_interval);
    plan_again_ = now + interval_;
  }

 private:
  static constexpr std::chrono::minutes longest_interval{10};

  PoolSettings const& settings_;
  std::unique_ptr<pqxx::connection> connection_;
  std::chrono::milliseconds interval_{0};
  Clock::time_point plan_again_;
};

/// Adds a connection parameter unless the URL or key=value string has it.
void add_parameter(std::string& url, std::string_view name, std::string const& value) {
  auto const assignment = std::string{name} + '=';
  if (url.find(assignment) != std::string::npos) return;
  auto const is_url = url.starts_with("postgresql://") || url.starts_with("postgres://");
  if (is_url) {
    url += url.find('?') == std::string::npos ? '?' : '&';
  } else if (!url.empty()) {
    url += ' ';
  }
  url += assignment + value;
}

}  // namespace

std::unique_ptr<pqxx::connection> connect(PoolSettings const& settings) {
  auto url = settings.url;
  add_parameter(url, "connect_timeout", std::to_string(settings.connect_timeout_s));
  add_parameter(url, "application_name", settings.application_name);
  add_parameter(url, "keepalives_idle", "10");
  add_parameter(url, "keepalives_interval", "5");
  add_parameter(url, "keepalives_count", "3");
  add_parameter(url, "tcp_user_timeout", "30000");
  auto connection = std::make_unique<pqxx::connection>(url);
  // libpqxx would print notices on standard error. They may quote rows, and every failure is also thrown.
  connection->set_notice_handler([](pqxx::zview) {});
  {
    pqxx::nontransaction setup{*connection};
    setup.exec("SET statement_timeout = " + std::to_string(settings.statement_timeout_ms) + "; SET lock_timeout = " +
               std::to_string(settings.statement_timeout_ms * 2 / 3) + "; SET idle_in_transaction_session_timeout = " +
               std::to_string(settings.idle_in_transaction_timeout_ms) +
               "; SET jit = off; SET client_min_messages = warning");
  }
  if (settings.on_connect) settings.on_connect(*connection);
  return connection;
}

struct TransactionPool::State {
  explicit State(PoolSettings given) : settings(std::move(given)) {}

  PoolSettings settings;
  mutable std::mutex mutex;
  ShareQueue<std::unique_ptr<WaitingJob>> queue;
  /// Idle threads. The one that worked last is called first: its session's caches are warm, and under a
  /// low load the others are not needed.
  std::vector<std::condition_variable*> idle;
  bool closing = false;
  /// Increases with every broken connection: then the others are not trusted either.
  std::atomic<std::uint64_t> breaks{0};
  std::vector<std::thread> threads;

  void work();
  std::unique_ptr<WaitingJob> next();
  void call_one();
};

std::unique_ptr<WaitingJob> TransactionPool::State::next() {
  std::unique_lock lock{mutex};
  std::condition_variable called;
  while (queue.empty() && !closing) {
    idle.push_back(&called);
    called.wait(lock);
    std::erase(idle, &called);  // a wait may end without a call
  }
  if (queue.empty()) return nullptr;
  return queue.pop();
}

/// With the mutex held.
void TransactionPool::State::call_one() {
  if (idle.empty()) return;
  idle.back()->notify_one();
  idle.pop_back();
}

void TransactionPool::State::work() {
  PooledSession session{settings};
  std::uint64_t seen_breaks = 0;
  while (auto waiting = next()) {
    auto const began = Clock::now();
    std::exception_ptr failure;
    try {
      if (settings.max_wait.count() > 0 && began - waiting->since > settings.max_wait)
        throw PoolUnavailable{"the database is too busy"};
      if (session.get() != nullptr && (!session.get()->is_open() || seen_breaks != breaks)) session.close();
      if (session.get() == nullptr) {
        seen_breaks = breaks;
        session.connect();
      }
      session.forget_old_plans(began);
      try {
        waiting->job(*session.get());
      } catch (pqxx::sql_error const& error) {
        if (!needs_new_statements(error)) throw;
        session.connect();  // without any statement
        waiting->job(*session.get());
      }
    } catch (...) {
      failure = std::current_exception();
    }
    if (session.get() != nullptr && !session.get()->is_open()) {
      session.close();
      ++breaks;
    }
    if (settings.observe) settings.observe(began - waiting->since, Clock::now() - began);
    waiting->complete(std::move(failure));
  }
}

TransactionPool::TransactionPool(PoolSettings settings) : state_(std::make_unique<State>(std::move(settings))) {
  for (std::size_t i = 0; i < size(); ++i) {
    state_->threads.emplace_back([state = state_.get()] { state->work(); });
  }
}

TransactionPool::~TransactionPool() {
  close();
}

std::size_t TransactionPool::size() const {
  return std::max<std::size_t>(state_->settings.size, 1);
}

std::size_t TransactionPool::queued() const {
  std::lock_guard const lock{state_->mutex};
  return state_->queue.size();
}

void TransactionPool::close() {
  {
    std::lock_guard const lock{state_->mutex};
    state_->closing = true;
    while (!state_->idle.empty()) state_->call_one();
  }
  for (auto& thread : state_->threads) thread.join();
  state_->threads.clear();
}

Task<> TransactionPool::execute(Job job, std::string share) {
  auto initiate = [state = state_.get(), &share](auto handler, Job work) {
    using Handler = decltype(handler);
    auto waiting = std::make_unique<WaitingFor<Handler>>(std::move(work), std::move(handler));
    char const* refusal = nullptr;
    {
      std::lock_guard const lock{state->mutex};
      if (state->closing) {
        refusal = "the database pool is closed";
      } else if (state->queue.size() >= state->settings.max_queued ||
                 state->queue.size(share) >= state->settings.max_queued_of_share) {
        refusal = "too much work waits for the database";
      } else {
        state->queue.push(share, std::move(waiting));
        state->call_one();
      }
    }
    if (refusal == nullptr) return;
    // NOLINTNEXTLINE(bugprone-use-after-move): what was refused was not moved
    waiting->complete(std::make_exception_ptr(PoolUnavailable{refusal}));
  };
  auto operation = asio::async_initiate<asio::use_awaitable_t<> const, void(std::exception_ptr)>(
      std::move(initiate), asio::use_awaitable, std::move(job));
  co_await std::move(operation);
}

}  // namespace omnibus::postgres
