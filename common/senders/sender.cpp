#include "senders/sender.hpp"

#include <utility>

namespace omnibus::senders {
namespace {

std::string pair_of(std::string_view channel, std::string_view name) {
  return std::string{channel}.append(" ").append(name);
}

std::string_view without_plus(std::string_view number) {
  if (number.starts_with('+')) number.remove_prefix(1);
  return number;
}

}  // namespace

std::string_view Sender::secret(std::string_view role) const {
  for (std::string_view const entry : secrets) {
    auto const equals = entry.find('=');
    if (equals != std::string_view::npos && entry.substr(0, equals) == role) return entry.substr(equals + 1);
  }
  return {};
}

SenderList::SenderList(std::vector<Sender> senders) : senders_{std::move(senders)} {
  for (auto const& each : senders_) {
    by_tenant_.emplace(pair_of(each.channel, each.domain), &each);
    by_number_.emplace(pair_of(each.channel, without_plus(each.sender)), &each);
  }
}

Sender const* SenderList::of_tenant(std::string_view domain, std::string_view channel) const {
  auto const found = by_tenant_.find(pair_of(channel, domain));
  return found == by_tenant_.end() ? nullptr : found->second;
}

Sender const* SenderList::of_number(std::string_view channel, std::string_view number) const {
  if (number.empty()) return nullptr;
  auto const found = by_number_.find(pair_of(channel, without_plus(number)));
  return found == by_number_.end() ? nullptr : found->second;
}

}  // namespace omnibus::senders
