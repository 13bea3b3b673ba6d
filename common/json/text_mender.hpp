/// Well-formed text from the pieces that others send. Pure.
#pragma once

#include <string>
#include <string_view>

namespace omnibus::json {

/// Makes a text that comes in pieces well-formed UTF-8 without NUL. A character whose bytes, or whose surrogate halves,
/// come in two pieces becomes one. What is wrong becomes U+FFFD: half a pair, or a byte that begins no character or an
/// incomplete one, with all continuation bytes behind it. The result does not depend on how the text is cut.
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
  bool was_wrong_ = false;  // the last bytes: continuation bytes that follow belong to them
};

}  // namespace omnibus::json
