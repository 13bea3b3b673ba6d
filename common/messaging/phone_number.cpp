#include "messaging/phone_number.hpp"

#include "json/utf8.hpp"
#include "text/rules.hpp"

#include <algorithm>
#include <set>

#include <phonenumbers/phonenumberutil.h>

namespace omnibus::messaging {
namespace {

using i18n::phonenumbers::PhoneNumberUtil;

constexpr std::size_t max_written = 64;
constexpr std::string_view no_region = "ZZ";  // as libphonenumber has it: only numbers with a country code are read
constexpr std::string_view hidden = "*****";

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

}  // namespace

std::optional<PhoneNumber> PhoneNumber::parse(std::string_view text, std::string_view region) {
  // libphonenumber would read letters as a vanity number's digits; here they are a sender's name.
  if (text.empty() || text.size() > max_written || !json::is_utf8(text) || std::ranges::any_of(text, is_letter))
    return std::nullopt;
  auto const& numbers = *PhoneNumberUtil::GetInstance();
  i18n::phonenumbers::PhoneNumber number;
  auto const outcome = numbers.Parse(std::string{text}, std::string{region.empty() ? no_region : region}, &number);
  if (outcome != PhoneNumberUtil::NO_PARSING_ERROR || number.has_extension()) return std::nullopt;
  if (numbers.IsPossibleNumberWithReason(number) != PhoneNumberUtil::IS_POSSIBLE) return std::nullopt;
  std::string e164;
  numbers.Format(number, PhoneNumberUtil::E164, &e164);
  if (!is_e164(e164)) return std::nullopt;
  return PhoneNumber{std::move(e164), numbers.IsValidNumber(number)};
}

std::optional<PhoneNumber> PhoneNumber::from_whatsapp(std::string_view id) {
  auto const at = id.find('@');
  if (at != std::string_view::npos) {
    auto const server = id.substr(at + 1);
    if (server != "s.whatsapp.net" && server != "c.us") return std::nullopt;
    id = id.substr(0, at);
    id = id.substr(0, id.find_first_of(":."));  // the device, and the agent before it
  }
  if (id.empty() || !std::ranges::all_of(id, is_digit)) return std::nullopt;
  return parse('+' + std::string{id});
}

std::string PhoneNumber::masked() const {
  return mask_phone_number(e164_);
}

bool is_whatsapp_user_id(std::string_view text) {
  auto const capital = [](char c) { return c >= 'A' && c <= 'Z'; };
  if (text.size() < 4 || !capital(text[0]) || !capital(text[1]) || text[2] != '.') return false;
  text.remove_prefix(3);
  if (text.starts_with("ENT.")) text.remove_prefix(4);
  return !text.empty() && text.size() <= 128 &&
         std::ranges::all_of(text, [&](char c) { return is_digit(c) || capital(c) || (c >= 'a' && c <= 'z'); });
}

bool is_e164(std::string_view text) {
  return !rules::e164("", text);
}

std::string mask_phone_number(std::string_view e164) {
  constexpr std::size_t shown = 1 + 4 + 2;  // the plus, the country and a digit or so, the last two
  if (!is_e164(e164)) return std::string{hidden};
  if (e164.size() < shown + 4) return std::string{e164.substr(0, 2)}.append(hidden);
  return std::string{e164.substr(0, 5)}.append(hidden).append(e164.substr(e164.size() - 2));
}

bool is_region(std::string_view text) {
  std::set<std::string> regions;
  PhoneNumberUtil::GetInstance()->GetSupportedRegions(&regions);
  return regions.contains(std::string{text});
}

}  // namespace omnibus::messaging
