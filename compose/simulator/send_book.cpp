#include "compose/simulator/send_book.hpp"

#include "compose/simulator/answer.hpp"

#include <algorithm>
#include <charconv>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

constexpr std::size_t most_listed = 100'000;

std::string name_of(SubmittedMessage const& order) {
  if (!order.key.empty()) return order.key;
  return fmt::format("{}:{:016x}", order.provider, stable_hash(order.text, stable_hash(order.recipient)));
}

std::string id_for(SubmittedMessage const& order, std::uint32_t run, std::uint64_t number) {
  if (order.provider == "whatsapp") return fmt::format("wamid.SIM{:08X}{:012X}", run, number);
  if (order.provider == "twilio") return fmt::format("SM{:08x}{:024x}", run, number);
  return fmt::format("sim-{:08x}-{:012x}", run, number);
}

}  // namespace

Acceptance const& SendBook::take(SubmittedMessage order, bool honour_key, std::chrono::system_clock::time_point now) {
  auto const name = name_of(order);
  if (honour_key && !order.key.empty()) {
    if (auto const known = id_of_key_.find(name); known != id_of_key_.end()) {
      ++recognised_;
      again_ = {std::move(order), known->second, now};
      return again_;
    }
  }
  ++acceptances_;
  ++by_key_[name];
  ++by_recipient_[order.recipient];
  ++by_provider_[order.provider];
  auto id = id_for(order, run_, ++next_id_);
  id_of_key_.emplace(name, id);
  newest_.push_front({std::move(order), std::move(id), now});
  if (newest_.size() > most_listed) newest_.pop_back();
  return newest_.front();
}

std::vector<Acceptance const*> SendBook::list(std::string_view provider, std::string_view recipient,
                                              std::string_view sender, std::size_t most) const {
  std::vector<Acceptance const*> found;
  for (auto const& each : newest_) {
    if (found.size() >= most) break;
    auto const fits = each.order.provider == provider && (recipient.empty() || each.order.recipient == recipient) &&
                      (sender.empty() || each.order.sender == sender);
    if (fits) found.push_back(&each);
  }
  return found;
}

std::uint64_t SendBook::accepted_of_key(std::string_view key) const {
  auto const found = by_key_.find(std::string(key));
  return found == by_key_.end() ? 0 : found->second;
}

std::uint64_t SendBook::accepted_for(std::string_view recipient) const {
  auto const found = by_recipient_.find(std::string(recipient));
  return found == by_recipient_.end() ? 0 : found->second;
}

PeopleRule::PeopleRule(std::string_view text) {
  if (text.empty()) return;
  if (text.front() == '*' && text.size() > 1) {
    ending_ = text.substr(1);
    return;
  }
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), share_);
  if (error != std::errc() || end != text.data() + text.size() || !(share_ >= 0 && share_ <= 1)) {
    throw std::invalid_argument(
        fmt::format("'{}' selects no people: give a share between 0 and 1, or * and the end of a number", text));
  }
}

bool PeopleRule::holds_for(std::string_view recipient, std::string_view what) const {
  if (!ending_.empty()) return recipient.ends_with(ending_);
  return static_cast<double>(stable_hash(recipient, stable_hash(what)) >> 11) * 0x1p-53 < share_;
}

}  // namespace omnibus::simulator
