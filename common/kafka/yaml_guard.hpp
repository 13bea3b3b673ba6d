/// A first pass over YAML that somebody else wrote.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace omnibus::kafka {

/// YAML that is refused before anything is built from it.
class UnsafeYaml : public std::runtime_error {
 public:
  UnsafeYaml(int its_line, std::string const& reason) : std::runtime_error(reason), line(its_line) {}
  int line;  ///< the first is 1
};

/// Bounds the nesting, and refuses what could make a small text large (anchors, aliases) or ambiguous (tags, a second
/// document, NUL bytes). @throws UnsafeYaml, and YAML::Exception for what is not YAML.
void guard_yaml(std::string const& text, std::size_t deepest_nesting);

}  // namespace omnibus::kafka
