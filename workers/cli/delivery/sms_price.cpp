#include "workers/cli/delivery/sms_price.hpp"

#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::cli {
namespace {

constexpr std::size_t decimals = 6;

bool digits(std::string_view text, std::size_t most) {
  return !text.empty() && text.size() <= most && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

SegmentPrice read_price(std::string_view text) {
  auto const point = text.find('.');
  auto const whole = text.substr(0, point);
  auto fraction = std::string{point == std::string_view::npos ? "0" : text.substr(point + 1)};
  if (!digits(whole, decimals) || !digits(fraction, decimals))
    throw std::invalid_argument(
        fmt::format("--price {}: give an amount such as 0.0085, with at most six decimals", text));
  fraction.resize(decimals, '0');
  return {std::stoll(std::string{whole}) * 1'000'000 + std::stoll(fraction)};
}

std::string to_string(SegmentPrice price) {
  auto text = fmt::format("{}.{:06}", price.millionths / 1'000'000, price.millionths % 1'000'000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.ends_with('.')) text.pop_back();
  return text;
}

}  // namespace omnibus::cli
