/// What questions to models took.
#pragma once

#include "events/llm.hpp"

#include <cstdint>
#include <string>
#include <string_view>

namespace omnibus::assistant {

/// The sum of calls, also of those that were billed and failed.
struct Spent {
  std::int64_t calls = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t completion_tokens = 0;
  bool estimated = false;          ///< a provider reported no usage: its tokens are our estimate
  std::int64_t cost_nano_usd = 0;  ///< in billionths of a US dollar
  std::int64_t duration_ms = 0;    ///< one call after the other

  void add(LlmCall const& call);
  void add(Spent const& more);
  /// The cost in US dollars, a decimal with nine places.
  std::string cost_usd() const;
};

/// A cost in billionths. @param usd a decimal with nine places, as LlmCall has it.
std::int64_t nano_usd(std::string_view usd);

}  // namespace omnibus::assistant
