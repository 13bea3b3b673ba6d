#include "workers/notify/recipient.hpp"

#include <algorithm>

namespace omnibus::notify {
namespace {

bool digit(char c) {
  return c >= '0' && c <= '9';
}

bool capital(char c) {
  return c >= 'A' && c <= 'Z';
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

bool is_whatsapp_user_id(std::string_view text) {
  if (text.size() < 4 || !capital(text[0]) || !capital(text[1]) || text[2] != '.') return false;
  text.remove_prefix(3);
  if (text.starts_with("ENT.")) text.remove_prefix(4);
  return !text.empty() && text.size() <= 128 &&
         std::all_of(text.begin(), text.end(), [](char c) { return digit(c) || capital(c) || (c >= 'a' && c <= 'z'); });
}

}  // namespace omnibus::notify
