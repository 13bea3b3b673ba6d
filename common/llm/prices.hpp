/// Prices of models and the cost of their tokens.
#pragma once

#include "llm/llm.hpp"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

namespace omnibus::llm {

/// Prices in millionths of a US dollar per million tokens: $0.15 per million tokens is 150'000.
struct Price {
  std::int64_t input = 0;
  std::int64_t cached_input = 0;
  std::int64_t output = 0;
};

struct Cost {
  std::string usd = "0.000000000";  ///< a decimal with nine places
  bool known = false;               ///< false: the model has no price here
};

/// Prices by model. Integer arithmetic throughout, so that sums are exact.
class PriceTable {
 public:
  PriceTable() = default;
  /// The common models, as listed by their provider in 2025, and the simulator's.
  static PriceTable const& built_in();
  /// Reads `model=input/cached/output` entries, separated by commas, in US dollars per million tokens:
  /// `gpt-4o-mini=0.15/0.075/0.60`. @throws std::invalid_argument that names the invalid entry.
  static PriceTable parse(std::string_view text);

  void set(std::string model, Price price) { prices_.insert_or_assign(std::move(model), price); }
  /// The price of the model, or of the one whose version it is: only a date or `-latest` at the end names the same
  /// model, as in `gpt-4o-mini-2024-07-18`, `claude-opus-4-20250514` and `gpt-4o-latest`.
  std::optional<Price> find(std::string_view model) const;
  Cost cost(std::string_view model, Usage const& usage) const;

 private:
  std::map<std::string, Price, std::less<>> prices_;
};

}  // namespace omnibus::llm
