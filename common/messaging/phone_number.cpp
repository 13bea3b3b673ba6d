#include "messaging/phone_number.hpp"

#include "json/utf8.hpp"
#include "messaging/number_plans.hpp"
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

constexpr std::size_t longest_country_code = 3;
constexpr std::size_t fewest_dialled = 8;
constexpr std::size_t most_dialled = 15;
constexpr std::size_t fewest_unmarked = 10;  // without a plus: shorter ones may be short codes

/// Whether `digits`, a country code and a number, have a length that the country uses by the current tables.
bool fits_a_plan(std::string_view digits) {
  auto const known = number_plans();
  unsigned country_code = 0;
  for (std::size_t length = 1; length <= longest_country_code && length < digits.size(); ++length) {
    country_code = country_code * 10 + static_cast<unsigned>(digits[length - 1] - '0');
    auto const plan = std::ranges::lower_bound(known, country_code, {}, &NumberPlan::country_code);
    if (plan == known.end() || plan->country_code != country_code) continue;
    auto const rest = digits.size() - length;
    return rest <= most_dialled && (plan->lengths >> rest & 1U) != 0;
  }
  return false;
}

bool is_dialled(std::string_view digits) {
  return digits.size() >= fewest_dialled && digits.size() <= most_dialled && digits.front() != '0';
}

/// The digits behind a country code's plus or 00, or of a text without either; empty for any other text.
struct WrittenDigits {
  bool international = false;
  std::string digits{};
};

WrittenDigits written_digits(std::string_view text) {
  WrittenDigits read;
  text.remove_prefix(std::min(text.find_first_not_of(" ("), text.size()));
  read.international = text.starts_with('+') || text.starts_with("00");
  text.remove_prefix(!read.international ? 0 : text.starts_with('+') ? 1 : 2);
  for (auto const c : text) {
    if (is_digit(c))
      read.digits += c;
    else if (std::string_view{" -.()"}.find(c) == std::string_view::npos)
      return {};
  }
  return read;
}

/// The current spelling of a mobile number in E.164. Accounts of WhatsApp keep older ones: in Brazil without the ninth
/// digit, which all mobile numbers have had since 2016; in Mexico with a 1 behind 52. In Argentina mobile numbers are
/// dialled from abroad with a 9 behind 54, which others leave out; the ten digits behind it are one person's, as no
/// two lines share them.
std::string current_spelling(std::string e164) {
  std::string_view const digits = std::string_view{e164}.substr(1);
  auto const between = [&](std::size_t at, char first, char last) { return digits[at] >= first && digits[at] <= last; };
  if (digits.size() == 12 && digits.starts_with("55") && between(2, '1', '9') && between(3, '1', '9') &&
      between(4, '6', '9'))
    e164.insert(5, 1, '9');
  else if (digits.size() == 12 && digits.starts_with("54") && (digits.substr(2, 2) == "11" || between(2, '2', '3')))
    e164.insert(3, 1, '9');
  else if (digits.size() == 13 && digits.starts_with("521"))
    e164.erase(3, 1);
  return e164;
}

/// A number in E.164, in its current spelling.
std::optional<std::string> read_e164(std::string_view text, std::string_view region) {
  // libphonenumber would read letters as a vanity number's digits; here they are a sender's name.
  if (text.empty() || text.size() > max_written || !json::is_utf8(text) || std::ranges::any_of(text, is_letter))
    return std::nullopt;
  auto const& numbers = *PhoneNumberUtil::GetInstance();
  i18n::phonenumbers::PhoneNumber number;
  auto const outcome = numbers.Parse(std::string{text}, std::string{region.empty() ? no_region : region}, &number);
  if (outcome == PhoneNumberUtil::NO_PARSING_ERROR) {
    if (number.has_extension()) return std::nullopt;
    auto const length = numbers.IsPossibleNumberWithReason(number);
    if (length == PhoneNumberUtil::IS_POSSIBLE_LOCAL_ONLY) return std::nullopt;
    std::string e164;
    numbers.Format(number, PhoneNumberUtil::E164, &e164);
    if (!is_e164(e164)) return std::nullopt;
    if (length == PhoneNumberUtil::IS_POSSIBLE || fits_a_plan(std::string_view{e164}.substr(1)))
      return current_spelling(std::move(e164));
  }
  auto const written = written_digits(text);
  if (!written.international || !is_dialled(written.digits) || !fits_a_plan(written.digits)) return std::nullopt;
  return current_spelling('+' + written.digits);
}

}  // namespace

std::optional<PhoneNumber> PhoneNumber::parse(std::string_view text, std::string_view region) {
  auto e164 = read_e164(text, region);
  if (!e164) return std::nullopt;
  // Digits with a national prefix too many are read otherwise the second time: no number that a person can have.
  if (*e164 != text && read_e164(*e164, {}) != e164) return std::nullopt;
  return PhoneNumber{*std::move(e164)};
}

std::optional<PhoneNumber> PhoneNumber::from_provider(std::string_view text, std::string_view region) {
  for (std::string_view const scheme : {"tel:", "whatsapp:"})
    if (text.starts_with(scheme)) text.remove_prefix(scheme.size());
  if (auto number = parse(text, region)) return number;
  if (text.size() > max_written) return std::nullopt;
  auto const written = written_digits(text);
  if (!is_dialled(written.digits)) return std::nullopt;
  auto const is_whole = written.digits.size() >= fewest_unmarked && fits_a_plan(written.digits);
  if (!written.international && !is_whole) return std::nullopt;
  return from_e164('+' + written.digits);
}

std::optional<PhoneNumber> PhoneNumber::from_whatsapp(std::string_view id) {
  auto const digits = wa_id_digits(id);
  if (digits.empty()) return std::nullopt;
  return from_provider('+' + std::string{digits});
}

PhoneNumber PhoneNumber::from_e164(std::string e164) {
  return PhoneNumber{current_spelling(std::move(e164))};
}

bool PhoneNumber::in_use() const {
  auto const& numbers = *PhoneNumberUtil::GetInstance();
  i18n::phonenumbers::PhoneNumber number;
  auto const outcome = numbers.Parse(e164_, std::string{no_region}, &number);
  return outcome == PhoneNumberUtil::NO_PARSING_ERROR && numbers.IsValidNumber(number);
}

std::string_view wa_id_digits(std::string_view id) {
  auto const at = id.find('@');
  if (at != std::string_view::npos) {
    auto const server = id.substr(at + 1);
    if (server != "s.whatsapp.net" && server != "c.us") return {};
    id = id.substr(0, at);
    id = id.substr(0, id.find_first_of(":."));  // the device, and the agent before it
  }
  return std::ranges::all_of(id, is_digit) ? id : std::string_view{};
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
