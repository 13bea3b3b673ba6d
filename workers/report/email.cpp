#include "workers/report/email.hpp"

#include "hash/hash.hpp"
#include "text/rules.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace omnibus::report {
namespace {

constexpr std::size_t body_line = 57;      // bytes that become 76 characters
constexpr std::size_t encoded_bytes = 36;  // that become 48; with its frame and `Subject: ` a line has 69 characters
constexpr std::size_t plain_header = 60;

std::string base64_of(std::string_view bytes) {
  std::string out(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  auto const size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(out.data()),
                      reinterpret_cast<unsigned char const*>(bytes.data()), static_cast<int>(bytes.size()));
  out.resize(static_cast<std::size_t>(size));
  return out;
}

std::string body_of(std::string_view text) {
  std::string out;
  for (std::size_t at = 0; at < text.size(); at += body_line) out += base64_of(text.substr(at, body_line)) + "\r\n";
  return out;
}

bool is_continuation(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) == 0x80;
}

/// Characters that mean something in a header where a name stands, or that a header cannot have.
bool needs_encoding(char c) {
  return static_cast<unsigned char>(c) < 0x20 || static_cast<unsigned char>(c) >= 0x7F ||
         std::string_view{"\"<>()[]:;@\\,=?"}.find(c) != std::string_view::npos;
}

/// A date of RFC 5322, in UTC.
std::string date_header(std::int64_t ms) {
  static constexpr std::array<char const*, 7> days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<char const*, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                      "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  auto const seconds = static_cast<std::time_t>(ms / 1000);
  std::tm date{};
  gmtime_r(&seconds, &date);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} +0000", days.at(static_cast<std::size_t>(date.tm_wday)),
                     date.tm_mday, months.at(static_cast<std::size_t>(date.tm_mon)), date.tm_year + 1900, date.tm_hour,
                     date.tm_min, date.tm_sec);
}

std::string part(std::string_view boundary, std::string_view type, std::string_view text) {
  return fmt::format("--{}\r\nContent-Type: {}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n{}", boundary,
                     type, body_of(text));
}

void check_address(std::string_view address, std::string_view field) {
  if (!rules::is_email(address)) throw std::invalid_argument{fmt::format("{} is no e-mail address", field)};
}

}  // namespace

std::string encode_header(std::string_view original) {
  std::string value{original};
  // Encoded, a line end is harmless on the wire, and not in every mail program that decodes it.
  std::replace_if(
      value.begin(), value.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }, ' ');
  std::string_view text{value};
  if (text.size() <= plain_header && std::none_of(text.begin(), text.end(), needs_encoding)) return std::string{text};
  std::string words;
  while (!text.empty()) {
    auto size = std::min(text.size(), encoded_bytes);
    while (size > 1 && size < text.size() && is_continuation(text[size])) --size;
    if (!words.empty()) words += "\r\n ";
    words += "=?UTF-8?B?" + base64_of(text.substr(0, size)) + "?=";
    text.remove_prefix(size);
  }
  return words;
}

std::string render_email(Email const& email) {
  check_address(email.from, "the sender");
  check_address(email.to, "the recipient");
  check_address(email.message_id, "the message id");
  auto const boundary = "=_" + to_hex(sha256(email.message_id)).substr(0, 32);
  auto message = fmt::format("Date: {}\r\nFrom: <{}>\r\nTo: {}\r\n <{}>\r\nSubject: {}\r\nMessage-ID: <{}>\r\n",
                             date_header(email.date_ms), email.from, encode_header(email.to_name), email.to,
                             encode_header(email.subject), email.message_id);
  if (!email.unsubscribe_url.empty()) {
    if (std::any_of(email.unsubscribe_url.begin(), email.unsubscribe_url.end(),
                    [](char c) { return c <= ' ' || c >= 0x7F || c == '<' || c == '>'; }))
      throw std::invalid_argument{"the address for unsubscribing is no URL"};
    message += fmt::format("List-Unsubscribe: <{}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n",
                           email.unsubscribe_url);
  }
  return message + fmt::format(
                       "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
                       "Content-Type: multipart/alternative;\r\n boundary=\"{}\"\r\n\r\n{}{}--{}--\r\n",
                       boundary, part(boundary, "text/plain", email.text), part(boundary, "text/html", email.html),
                       boundary);
}

}  // namespace omnibus::report
