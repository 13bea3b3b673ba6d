#pragma once

#include <string>

namespace omnibus::json {

/// A JSON value kept as the text it came as. Decoding validates it; encoding writes it as it is (null when
/// empty), so whoever fills one by hand answers for it being JSON.
struct Raw {
  std::string text;
};

}  // namespace omnibus::json
