#include "messaging/markdown.hpp"

#include "messaging/markdown_line.hpp"

#include <algorithm>

namespace omnibus::messaging {
namespace {

std::string_view trimmed_right(std::string_view line) {
  auto const last = line.find_last_not_of(" \t\r");
  return last == std::string_view::npos ? std::string_view{} : line.substr(0, last + 1);
}

/// A line of three or more of the same -, * or _ and blanks: a rule across the page.
bool is_rule(std::string_view line) {
  auto const sign = line.empty() ? ' ' : line[0];
  return (sign == '-' || sign == '*' || sign == '_') && std::ranges::count(line, sign) >= 3 &&
         std::ranges::all_of(line, [&](char c) { return c == sign || c == ' '; });
}

class Reader {
 public:
  std::vector<Piece> read(std::string_view text) {
    while (!text.empty()) {
      auto const end = std::min(text.find('\n'), text.size());
      read_line(trimmed_right(text.substr(0, end)));
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    if (in_fence_ && !fence_.empty()) put({Piece::Kind::fence, {}, std::move(fence_)});
    while (!pieces_.empty() && pieces_.back().kind == Piece::Kind::line_end) pieces_.pop_back();
    return std::move(pieces_);
  }

 private:
  void read_line(std::string_view line) {
    auto const indent = std::min(line.find_first_not_of(" \t"), line.size());
    auto rest = line.substr(indent);
    if (rest.starts_with("```")) return toggle_fence(rest.substr(3));
    if (in_fence_) {
      fence_.append(fence_.empty() ? "" : "\n").append(line);
      return;
    }
    if (rest.empty() || is_rule(rest)) return end_line(true);
    if (auto const level = rest.find_first_not_of('#'); level >= 1 && level <= 6 && rest[level] == ' ') {
      return read_heading(rest.substr(level + 1));
    }
    rest.remove_prefix(read_item(line.substr(0, indent), rest));
    read_markdown_line(rest, pieces_);
    end_line();
  }

  void read_heading(std::string_view text) {
    text = trimmed_right(text.substr(0, text.find_last_not_of('#') + 1));  // a heading may end with its signs too
    text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
    if (text.empty()) return;
    std::vector<Piece> inner;
    read_markdown_line(text, inner);
    // All of it is strong already: marks within would double the ones around it.
    std::erase_if(inner, [](Piece const& piece) {
      return (piece.kind == Piece::Kind::begin || piece.kind == Piece::Kind::end) && piece.mark != Piece::Mark::link;
    });
    put({Piece::Kind::begin, Piece::Mark::heading});
    for (auto& piece : inner) put(std::move(piece));
    put({Piece::Kind::end, Piece::Mark::heading});
    end_line();
  }

  /// Puts the beginning of a list's item, if this is one, and returns how much of the line that was.
  std::size_t read_item(std::string_view indent, std::string_view line) {
    auto const digits = std::min(line.find_first_not_of("0123456789"), line.size());
    auto const numbered = digits >= 1 && digits <= 3 && line.size() > digits + 1 &&
                          (line[digits] == '.' || line[digits] == ')') && line[digits + 1] == ' ';
    auto const bulleted = line.size() > 1 && line[1] == ' ' && (line[0] == '-' || line[0] == '*' || line[0] == '+');
    auto const dotted = line.starts_with("• ");
    if (!numbered && !bulleted && !dotted) return 0;
    std::string text(std::min<std::size_t>(indent.size(), 8), ' ');
    if (numbered) text.append(line.substr(0, digits + 1));
    put({Piece::Kind::item, {}, std::move(text)});
    auto const sign = numbered ? digits + 1 : line.find(' ');
    return std::min(line.find_first_not_of(' ', sign), line.size());
  }

  void toggle_fence(std::string_view rest) {
    if (in_fence_) {
      if (!fence_.empty()) {
        put({Piece::Kind::fence, {}, std::move(fence_)});
        end_line();
      }
      fence_.clear();
      in_fence_ = false;
      return;
    }
    auto const closing = rest.find("```");  // a block on one line
    if (closing != std::string_view::npos) {
      if (closing > 0) put({Piece::Kind::fence, {}, std::string{rest.substr(0, closing)}});
      put({Piece::Kind::text, {}, std::string{rest.substr(closing + 3)}});
      return end_line();
    }
    in_fence_ = true;  // what follows the marks is the name of a language
  }

  void end_line(bool blank = false) {
    auto const endings = std::find_if(pieces_.rbegin(), pieces_.rend(),
                                      [](Piece const& piece) { return piece.kind != Piece::Kind::line_end; });
    if (blank && (endings == pieces_.rend() || endings - pieces_.rbegin() >= 2)) return;
    put({Piece::Kind::line_end});
  }

  void put(Piece piece) { pieces_.push_back(std::move(piece)); }

  std::vector<Piece> pieces_;
  bool in_fence_ = false;
  std::string fence_;
};

}  // namespace

std::vector<Piece> read_markdown(std::string_view text) {
  return Reader{}.read(text);
}

}  // namespace omnibus::messaging
