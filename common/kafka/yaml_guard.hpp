/// A safety check for YAML from outside.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace omnibus::kafka {

/// YAML that is rejected before it is parsed.
class UnsafeYaml : public std::runtime_error {
 public:
  UnsafeYaml(int its_line, std::string const& reason) : std::runtime_error(reason), line(its_line) {}
  int line;  ///< the first is 1
};

/// Limits the nesting, and rejects whatever could make a small text large (anchors, aliases) or ambiguous (tags, a
/// second document, NUL bytes). @throws UnsafeYaml, and YAML::Exception for text that is not YAML.
void guard_yaml(std::string const& text, std::size_t deepest_nesting);

}  // namespace omnibus::kafka
