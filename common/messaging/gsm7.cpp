#include "messaging/gsm7.hpp"

#include <array>

namespace omnibus::messaging::gsm7 {
namespace {

constexpr std::u16string_view default_table =
    u"@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    u"¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà";
constexpr std::u16string_view extension_table = u"\f^{}\\[~]|";  // and the euro, which lies far from the others
constexpr char16_t euro = u'€';
static_assert(default_table.size() == 127);  // the 128th is the escape

constexpr auto table = [] {
  std::array<std::uint8_t, 0x400> widths{};
  for (auto const unit : default_table) widths[unit] = 1;
  for (auto const unit : extension_table) widths[unit] = 2;
  return widths;
}();

}  // namespace

std::uint8_t septets(char16_t unit) {
  if (unit < table.size()) return table[unit];
  return unit == euro ? 2 : 0;
}

std::optional<std::size_t> septets(std::u16string_view text) {
  std::size_t sum = 0;
  for (auto const unit : text) {
    auto const width = septets(unit);
    if (width == 0) return std::nullopt;
    sum += width;
  }
  return sum;
}

}  // namespace omnibus::messaging::gsm7
