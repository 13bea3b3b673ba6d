#pragma once

#include <string>

namespace omnibus {

/// The field of an event that breaks a rule of its schema, and the rule. Never has the field's value.
struct InvalidField {
  std::string field;
  std::string reason;
};

}  // namespace omnibus
