#include "llm/llm.hpp"

namespace omnibus::llm {

bool LlmError::retriable() const noexcept {
  switch (kind_) {
    case Kind::rate_limited:
    case Kind::unavailable:
    case Kind::timeout:
    case Kind::protocol:
    case Kind::breaker_open:
      return true;
    case Kind::invalid_request:
    case Kind::context_length:
    case Kind::quota:
    case Kind::content_filter:
    case Kind::no_words:
      return false;
  }
  return false;
}

std::string_view to_string(LlmError::Kind kind) noexcept {
  using Kind = LlmError::Kind;
  switch (kind) {
    case Kind::rate_limited:
      return "rate_limited";
    case Kind::unavailable:
      return "unavailable";
    case Kind::timeout:
      return "timeout";
    case Kind::invalid_request:
      return "invalid_request";
    case Kind::context_length:
      return "context_length";
    case Kind::quota:
      return "quota";
    case Kind::content_filter:
      return "content_filter";
    case Kind::protocol:
      return "protocol";
    case Kind::no_words:
      return "no_words";
    case Kind::breaker_open:
      return "breaker_open";
  }
  return "unknown";
}

}  // namespace omnibus::llm
