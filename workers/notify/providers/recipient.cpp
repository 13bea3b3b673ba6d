#include "workers/notify/providers/recipient.hpp"

#include <algorithm>

namespace omnibus::notify {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}

}  // namespace

std::optional<std::string_view> msisdn(std::string_view text) {
  if (text.empty() || text.front() != '+') return std::nullopt;
  return wa_id(text);
}

std::optional<std::string_view> wa_id(std::string_view text) {
  if (!text.empty() && text.front() == '+') text.remove_prefix(1);
  if (text.size() < 2 || text.size() > 15 || text.front() == '0') return std::nullopt;
  if (!std::all_of(text.begin(), text.end(), digit)) return std::nullopt;
  return text;
}

}  // namespace omnibus::notify
