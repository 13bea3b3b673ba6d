#include "messaging/markdown_line.hpp"

#include <algorithm>
#include <array>
#include <cstddef>
#include <iterator>

namespace omnibus::messaging {
namespace {

using Mark = Piece::Mark;

constexpr std::size_t max_address = 2048;
constexpr std::string_view escapable = "\\`*_{}[]()#+-.!~>|<";

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_address(std::string_view text) {
  return text.starts_with("https://") || text.starts_with("http://") || text.starts_with("mailto:") ||
         text.starts_with("tel:");
}

/// How an address is read: a phone number and an e-mail address without their scheme.
std::string_view shown_address(std::string_view address) {
  return address.starts_with("http") ? address : address.substr(address.find(':') + 1);
}

class LineReader {
 public:
  LineReader(std::string_view line, std::vector<Piece>& pieces) : line_{line}, pieces_{pieces} {}

  void read() {
    while (at_ < line_.size()) {
      auto const c = line_[at_];
      if (c == '\\' && at_ + 1 < line_.size() && escapable.find(line_[at_ + 1]) != std::string_view::npos) {
        text_ += line_[at_ + 1];
        at_ += 2;
      } else if ((c == '`' && read_code()) || (c == '<' && read_bare_link()) || (c == ']' && read_link_end())) {
        continue;
      } else if (c == '[' || (c == '!' && line_.substr(at_).starts_with("!["))) {
        open_bracket();
      } else if (c == '*' || c == '_' || c == '~') {
        read_marks();
      } else {
        text_ += c;
        ++at_;
      }
    }
    flush();
    for (auto const& open : open_marks_) as_text(open);
    for (auto const bracket : brackets_) pieces_[bracket].kind = Piece::Kind::text;
  }

 private:
  struct Open {
    char sign;
    std::size_t count;  ///< 2 for **, 1 for *
    std::size_t piece;
  };

  static void unmark(Piece& piece, std::string text) {
    piece.kind = Piece::Kind::text;
    piece.text = std::move(text);
  }
  void as_text(Open const& open) { unmark(pieces_[open.piece], std::string(open.count, open.sign)); }

  void flush() {
    if (!text_.empty()) pieces_.push_back({Piece::Kind::text, {}, std::move(text_)});
    text_.clear();
  }

  bool read_code() {
    auto const ticks = line_.substr(at_).starts_with("```") ? std::string_view{"```"} : std::string_view{"`"};
    auto& none_left = no_more_code_[ticks.size() == 3 ? 1 : 0];
    auto const begin = at_ + ticks.size();
    auto const end = none_left ? std::string_view::npos : line_.find(ticks, begin);
    none_left = end == std::string_view::npos;
    if (none_left || end == begin) return add_as_text(ticks.size());
    flush();
    pieces_.push_back({Piece::Kind::code, {}, std::string{line_.substr(begin, end - begin)}});
    at_ = end + ticks.size();
    return true;
  }

  bool add_as_text(std::size_t count) {
    text_.append(line_.substr(at_, count));
    at_ += count;
    return true;
  }

  /// <https://example.org>
  bool read_bare_link() {
    auto const rest = line_.substr(at_ + 1, max_address);
    if (!is_address(rest)) return add_as_text(1);
    auto const end = rest.find_first_of("> ");
    if (end == std::string_view::npos || rest[end] != '>') return add_as_text(1);
    text_.append(shown_address(rest.substr(0, end)));
    at_ += end + 2;
    return true;
  }

  void open_bracket() {
    auto const image = line_[at_] == '!';
    flush();
    brackets_.push_back(pieces_.size());
    pieces_.push_back({Piece::Kind::begin, Mark::link, image ? "![" : "["});
    at_ += image ? 2 : 1;
  }

  /// [text](address "title"), whose text was read since the bracket.
  bool read_link_end() {
    if (brackets_.empty()) return add_as_text(1);
    auto& begin = pieces_[brackets_.back()];
    brackets_.pop_back();
    auto const inside =
        line_.substr(at_ + 1).starts_with("(") ? line_.substr(at_ + 2, max_address) : std::string_view{};
    auto const end = inside.find(')');
    if (end == std::string_view::npos) {
      begin.kind = Piece::Kind::text;
      return add_as_text(1);
    }
    auto const address = inside.substr(0, std::min(inside.find(' '), end));
    begin.text.clear();
    flush();
    pieces_.push_back(
        {Piece::Kind::link_end, Mark::link, std::string{is_address(address) ? shown_address(address) : ""}});
    at_ += 3 + end;
    return true;
  }

  void read_marks() {
    auto const sign = line_[at_];
    auto const run = std::min(line_.find_first_not_of(sign, at_), line_.size()) - at_;
    auto const before = at_ == 0 ? ' ' : line_[at_ - 1];
    auto const after = at_ + run == line_.size() ? ' ' : line_[at_ + run];
    auto const can_close = !is_blank(before) && !is_word(after);
    auto const can_open = !is_blank(after) && !is_word(before);
    auto left = run;
    flush();
    while (can_close && left > 0 && close(sign, left)) {
    }
    if (left == run && can_open && run <= 3) {
      for (auto const count : {std::size_t{2}, std::size_t{1}}) {
        if (left < count) continue;
        open_marks_.push_back({sign, count, pieces_.size()});
        pieces_.push_back({Piece::Kind::begin, mark_of(sign, count)});
        left -= count;
      }
    }
    text_.append(left, sign);
    at_ += run;
  }

  /// Ends the innermost open mark of this sign that so many signs can end; those opened within it were none.
  bool close(char sign, std::size_t& left) {
    auto const same = [&](Open const& open) { return open.sign == sign && open.count == left; };
    auto const fits = [&](Open const& open) { return open.sign == sign && open.count <= left; };
    auto found = std::find_if(open_marks_.rbegin(), open_marks_.rend(), same);
    if (found == open_marks_.rend()) found = std::find_if(open_marks_.rbegin(), open_marks_.rend(), fits);
    if (found == open_marks_.rend()) return false;
    for (auto inner = open_marks_.rbegin(); inner != found; ++inner) as_text(*inner);
    pieces_.push_back({Piece::Kind::end, mark_of(sign, found->count)});
    left -= found->count;
    open_marks_.erase(std::prev(found.base()), open_marks_.end());
    return true;
  }

  static Mark mark_of(char sign, std::size_t count) {
    if (sign == '~') return Mark::strike;
    return count == 2 ? Mark::bold : Mark::italic;
  }

  std::string_view line_;
  std::vector<Piece>& pieces_;
  std::size_t at_ = 0;
  std::string text_;
  std::vector<Open> open_marks_;
  std::vector<std::size_t> brackets_;  ///< of links that have not ended: their pieces
  std::array<bool, 2> no_more_code_{};
};

}  // namespace

void read_markdown_line(std::string_view line, std::vector<Piece>& pieces) {
  LineReader{line, pieces}.read();
}

}  // namespace omnibus::messaging
