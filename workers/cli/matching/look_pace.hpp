/// How often a command looks for news. Pure.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>

namespace omnibus::cli {

/// Pauses between looks: short after news, then longer and longer, and none after a long time without news.
class LookPace {
 public:
  using Pause = std::chrono::milliseconds;

  static constexpr Pause first{500};
  static constexpr Pause longest{10'000};
  static constexpr Pause patience{std::chrono::hours{1}};  ///< longer than a conversation may take by default

  /// There was news.
  void found() {
    next_ = first;
    quiet_ = Pause{0};
  }
  /// The pause until the next look; nothing when it has been quiet for too long.
  std::optional<Pause> next() {
    if (quiet_ >= patience) return std::nullopt;
    auto const pause = next_;
    quiet_ += pause;
    next_ = std::min(2 * next_, longest);
    return pause;
  }

 private:
  Pause next_ = first;
  Pause quiet_{0};
};

}  // namespace omnibus::cli
