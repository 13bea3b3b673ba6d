#include "llm/prices.hpp"

#include <algorithm>
#include <stdexcept>

#include <fmt/format.h>

namespace omnibus::llm {
namespace {

constexpr std::int64_t micro = 1'000'000;
constexpr std::int64_t most_tokens = 1'000'000'000;  // with most_micro: no product overflows
constexpr std::int64_t most_micro = 1'000 * micro;   // a thousand dollars per million tokens
constexpr int micro_digits = 6;

std::optional<std::int64_t> parse_micro(std::string_view text) {
  std::int64_t value = 0;
  auto fraction = -1;
  if (text.empty() || text == ".") return std::nullopt;
  for (auto const c : text) {
    if (c == '.' && fraction < 0) {
      fraction = 0;
      continue;
    }
    if (c < '0' || c > '9' || fraction == micro_digits) return std::nullopt;
    value = value * 10 + (c - '0');
    if (fraction >= 0) ++fraction;
    if (value > most_micro) return std::nullopt;
  }
  for (auto i = std::max(fraction, 0); i < micro_digits; ++i) value *= 10;
  return value <= most_micro ? std::optional(value) : std::nullopt;
}

bool is_number(std::string_view text, int least, int most) {
  auto value = 0;
  for (auto const c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + (c - '0');
  }
  return least <= value && value <= most;
}

/// 20240718 or 2024-07-18.
bool is_date(std::string_view text) {
  auto const dashes = text.size() == 10;
  if (!dashes && text.size() != 8) return false;
  if (dashes && (text[4] != '-' || text[7] != '-')) return false;
  return is_number(text.substr(0, 4), 1900, 2099) && is_number(text.substr(dashes ? 5 : 4, 2), 1, 12) &&
         is_number(text.substr(dashes ? 8 : 6), 1, 31);
}

/// The model whose version it is: its name without a date or `-latest` at the end. Nothing for any other ending, as
/// digits are part of a model's name: `claude-opus-4-1` is not `claude-opus-4`.
std::optional<std::string_view> without_version(std::string_view model) {
  constexpr std::string_view latest = "-latest";
  if (model.ends_with(latest)) return model.substr(0, model.size() - latest.size());
  for (std::size_t const date : {10, 8}) {
    if (model.size() <= date + 1) continue;
    auto const name = model.size() - date - 1;
    if (model[name] == '-' && is_date(model.substr(name + 1))) return model.substr(0, name);
  }
  return std::nullopt;
}

}  // namespace

PriceTable const& PriceTable::built_in() {
  static auto const table = parse(
      "gpt-4o=2.5/1.25/10,gpt-4o-mini=0.15/0.075/0.6,gpt-4.1=2/0.5/8,gpt-4.1-mini=0.4/0.1/1.6,"
      "gpt-4.1-nano=0.1/0.025/0.4,gpt-5=1.25/0.125/10,gpt-5-mini=0.25/0.025/2,gpt-5-nano=0.05/0.005/0.4,"
      "o3=2/0.5/8,o4-mini=1.1/0.275/4.4,omnibus-small=0.15/0.075/0.6,omnibus-large=2.5/1.25/10");
  return table;
}

PriceTable PriceTable::parse(std::string_view text) {
  PriceTable table;
  while (!text.empty()) {
    auto const end = std::min(text.find(','), text.size());
    auto const entry = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    auto const equals = entry.find('=');
    auto const first = entry.find('/');
    auto const second = first == std::string_view::npos ? first : entry.find('/', first + 1);
    if (equals == std::string_view::npos || equals == 0 || first < equals || second == std::string_view::npos) {
      throw std::invalid_argument(fmt::format("'{}' is not model=input/cached/output", entry));
    }
    auto const input = parse_micro(entry.substr(equals + 1, first - equals - 1));
    auto const cached = parse_micro(entry.substr(first + 1, second - first - 1));
    auto const output = parse_micro(entry.substr(second + 1));
    if (!input || !cached || !output) {
      throw std::invalid_argument(fmt::format("'{}' holds a price that is not a number of dollars", entry));
    }
    table.set(std::string(entry.substr(0, equals)), {*input, *cached, *output});
  }
  return table;
}

std::optional<Price> PriceTable::find(std::string_view model) const {
  auto found = prices_.find(model);
  if (found == prices_.end())
    if (auto const undated = without_version(model)) found = prices_.find(*undated);
  return found == prices_.end() ? std::nullopt : std::optional(found->second);
}

Cost PriceTable::cost(std::string_view model, Usage const& usage) const {
  Cost cost;
  auto const price = find(model);
  if (!price) return cost;
  auto const tokens = [](std::int64_t count) { return std::clamp<std::int64_t>(count, 0, most_tokens); };
  auto const input = tokens(usage.input);
  auto const cached = std::min(tokens(usage.cached), input);
  // Tokens times micro-dollars per million tokens are picodollars.
  auto const nano = [](std::int64_t count, std::int64_t micro_per_million) {
    auto const pico = count * micro_per_million;
    return std::pair(pico / 1000, pico % 1000);
  };
  auto const [fresh_nano, fresh_rest] = nano(input - cached, price->input);
  auto const [cached_nano, cached_rest] = nano(cached, price->cached_input);
  auto const [output_nano, output_rest] = nano(tokens(usage.output), price->output);
  auto const sum = fresh_nano + cached_nano + output_nano + (fresh_rest + cached_rest + output_rest + 500) / 1000;
  constexpr std::int64_t nano_per_dollar = 1'000'000'000;
  cost.usd = fmt::format("{}.{:09}", sum / nano_per_dollar, sum % nano_per_dollar);
  cost.known = true;
  return cost;
}

}  // namespace omnibus::llm
