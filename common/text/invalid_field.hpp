#pragma once

#include <string>

namespace omnibus {

/// Which field of an event breaks which rule of its schema. Never holds the field's value.
struct InvalidField {
  std::string field;
  std::string reason;
};

}  // namespace omnibus
