#include "senders/sender_directory.hpp"

#include "observability/log.hpp"
#include "postgres/rows.hpp"

#include <exception>
#include <utility>

#include <pqxx/pqxx>

namespace omnibus::senders {

std::vector<Sender> read_senders(pqxx::connection& connection) {
  pqxx::nontransaction query{connection};
  return postgres::read<Sender>(
      query, "SELECT id, domain, channel, provider, account, sender, secrets FROM list_channel_senders()");
}

Task<SharedSenders> SenderDirectory::senders() {
  while (!senders_ || now_() - read_at_ >= refresh_) {
    if (reading_ != nullptr && senders_) break;  // another caller reads it; meanwhile the last one counts
    if (reading_ != nullptr) {
      auto waiting = reading_->wait();
      co_await std::move(waiting);
      continue;
    }
    auto reloading = reload();
    co_await std::move(reloading);
  }
  co_return senders_;
}

Task<> SenderDirectory::reload() {
  reading_ = std::make_unique<Signal>();
  std::exception_ptr failed;
  try {
    auto reading = pool_.run([](pqxx::connection& connection) { return read_senders(connection); });
    auto read = co_await std::move(reading);
    if (!senders_ || senders_->all() != read) senders_ = std::make_shared<SenderList const>(std::move(read));
  } catch (std::exception const& error) {
    if (senders_) log::warn("the senders of tenants could not be read anew", {{"reason", error.what()}});
    failed = std::current_exception();
  }
  read_at_ = now_();
  auto const done = std::exchange(reading_, nullptr);
  done->raise();
  if (failed && !senders_) std::rethrow_exception(failed);
}

}  // namespace omnibus::senders
