/// Well-formed text from a model's pieces of it. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::llm {

/// Makes a text that comes in pieces well-formed UTF-8 without NUL. A character whose bytes, or whose surrogate halves,
/// come in two pieces becomes one; what stays without its other half, and every other wrong byte, becomes U+FFFD. The
/// result does not depend on how the text is cut.
class TextMender {
 public:
  /// Appends what is complete, and keeps the rest for the next piece.
  void append(std::string& out, std::string_view piece);
  /// At the end of the text: appends what was kept.
  void finish(std::string& out);
  /// Whether anything was wrong so far.
  bool has_mended() const { return has_mended_; }

 private:
  void mend(std::string& out, std::string_view text, bool last);

  std::string kept_;  // the beginning of a character, at most five bytes
  bool has_mended_ = false;
};

/// The same for a whole text.
std::string mended(std::string_view text);

}  // namespace omnibus::llm
