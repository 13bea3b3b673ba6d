#include "workers/cli/gdpr/text_forms.hpp"

#include "hash/hash.hpp"
#include "json/encode.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <span>
#include <stdexcept>

#include <fmt/format.h>
#include <openssl/evp.h>

namespace omnibus::cli {
namespace {

constexpr std::size_t shortest_text = 6;

std::string json_form(std::string const& text) {
  std::string quoted;
  json::append_string(quoted, text);
  return quoted.substr(1, quoted.size() - 2);
}

/// The same with every character beyond ASCII as \\uXXXX, in the digits of this case. `text` is UTF-8.
std::string ascii_form(std::string const& text, bool upper) {
  std::string out;
  auto const unit = [&](std::uint32_t code) {
    out += upper ? fmt::format("\\u{:04X}", code) : fmt::format("\\u{:04x}", code);
  };
  for (std::size_t at = 0; at < text.size();) {
    auto const lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80U) {
      out += text[at++];
      continue;
    }
    auto const more = lead >= 0xf0U ? 3U : lead >= 0xe0U ? 2U : 1U;
    std::uint32_t code = lead & (0x3fU >> more);
    for (unsigned i = 1; i <= more && at + i < text.size(); ++i)
      code = (code << 6U) | (static_cast<unsigned char>(text[at + i]) & 0x3fU);
    at += more + 1;
    if (code < 0x10000U) {
      unit(code);
    } else {
      unit(0xd800U + ((code - 0x10000U) >> 10U));
      unit(0xdc00U + ((code - 0x10000U) & 0x3ffU));
    }
  }
  return out;
}

std::string hex_form(std::string const& text) {
  return to_hex(std::span{reinterpret_cast<std::uint8_t const*>(text.data()), text.size()});
}

std::string upper_case(std::string text) {
  std::ranges::transform(text, text.begin(), [](unsigned char c) { return static_cast<char>(std::toupper(c)); });
  return text;
}

/// What of the encoded text depends on it alone when `before` bytes (0 to 2) stand before it.
std::string base64_form(std::string const& text, std::size_t before) {
  auto const bytes = std::string(before, '\0') + text;
  std::string encoded(4 * ((bytes.size() + 2) / 3) + 1, '\0');
  auto const size =
      EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                      reinterpret_cast<unsigned char const*>(bytes.data()), static_cast<int>(bytes.size()));
  encoded.resize(static_cast<std::size_t>(size));
  auto const first = (before * 8 + 5) / 6;
  auto const last = bytes.size() * 8 / 6;
  return encoded.substr(first, last - first);
}

std::string url_alphabet(std::string text) {
  std::ranges::replace(text, '+', '-');
  std::ranges::replace(text, '/', '_');
  return text;
}

}  // namespace

std::vector<TextForm> forms_of(std::string const& text) {
  if (text.size() < shortest_text) throw std::invalid_argument{"give a text of at least 6 bytes to look for"};
  std::vector<TextForm> forms;
  auto const add = [&](std::string_view name, std::string form) {
    if (std::ranges::none_of(forms, [&](TextForm const& each) { return each.text == form; }))
      forms.push_back({name, std::move(form)});
  };
  add("raw", text);
  add("json", json_form(text));
  for (auto const upper : {false, true}) add("json", ascii_form(json_form(text), upper));
  for (std::size_t before = 0; before < 3; ++before) {
    add("base64", base64_form(text, before));
    add("base64", url_alphabet(base64_form(text, before)));
  }
  add("hex", hex_form(text));
  add("hex", upper_case(hex_form(text)));
  return forms;
}

std::optional<std::string_view> form_in(std::string_view bytes, std::vector<TextForm> const& forms) {
  for (auto const& form : forms)
    if (bytes.find(form.text) != std::string_view::npos) return form.name;
  return std::nullopt;
}

}  // namespace omnibus::cli
