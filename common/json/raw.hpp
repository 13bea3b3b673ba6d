#pragma once

#include <string>

namespace omnibus::json {

/// A JSON value, stored as its original text. Decoding validates it; encoding writes it unchanged (null when
/// empty), so code that fills one directly must ensure that it is JSON.
struct Raw {
  std::string text;
};

}  // namespace omnibus::json
