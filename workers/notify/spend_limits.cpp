#include "workers/notify/spend_limits.hpp"

#include <algorithm>
#include <stdexcept>

namespace omnibus::notify {
namespace {

/// Whether `test` holds for one of the prefixes.
bool any_prefix(std::string_view prefixes, auto const& test) {
  while (!prefixes.empty()) {
    auto const end = std::min(prefixes.find(','), prefixes.size());
    auto one = prefixes.substr(0, end);
    prefixes.remove_prefix(std::min(end + 1, prefixes.size()));
    while (one.starts_with(' ')) one.remove_prefix(1);
    while (one.ends_with(' ')) one.remove_suffix(1);
    if (test(one)) return true;
  }
  return false;
}

bool is_prefix(std::string_view text) {
  if (text == "*") return true;
  return text.size() > 1 && text.size() <= 16 && text.front() == '+' && text[1] != '0' &&
         std::all_of(text.begin() + 1, text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

void check(SpendLimitSettings const& settings) {
  auto const& prefixes = settings.sms_allowed_prefixes;
  if (prefixes.empty() || any_prefix(prefixes, [](std::string_view one) { return !is_prefix(one); }))
    throw std::invalid_argument("SMS_ALLOWED_PREFIXES must be prefixes with a plus, as +250,+256, or * for all");
}

std::string_view limit_of(SpendLimitSettings const& settings, std::string_view channel, std::string_view kind,
                          std::string_view recipient, SentToday const& sent) {
  auto const allows = [&](std::string_view one) { return one == "*" || recipient.starts_with(one); };
  if (channel == "sms" && !any_prefix(settings.sms_allowed_prefixes, allows)) return "country_not_allowed";
  if (kind == "opt_out" || kind == "opt_in" || kind == "help") return {};
  auto const reached = [](std::int32_t limit, std::int64_t count) { return limit > 0 && count >= limit; };
  if (reached(settings.messages_per_person_per_day, sent.messages)) return "person_limit";
  if (kind == "call_summary" && reached(settings.call_summaries_per_person_per_day, sent.call_summaries))
    return "summary_limit";
  return {};
}

std::string_view setting_of_limit(std::string_view reason) {
  if (reason == "spend_cap") return "SPEND_CAP_PER_DAY";
  if (reason == "country_not_allowed") return "SMS_ALLOWED_PREFIXES";
  if (reason == "person_limit") return "MESSAGES_PER_PERSON_PER_DAY";
  if (reason == "summary_limit") return "CALL_SUMMARIES_PER_PERSON_PER_DAY";
  return {};
}

}  // namespace omnibus::notify
