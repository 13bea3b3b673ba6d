#include "messaging/markdown.hpp"

#include <algorithm>
#include <array>
#include <exception>
#include <functional>
#include <new>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <md4c.h>

namespace omnibus::messaging {
namespace {

using Kind = Piece::Kind;
using Mark = Piece::Mark;

constexpr unsigned dialect = MD_FLAG_STRIKETHROUGH | MD_FLAG_NOHTML | MD_FLAG_NOINDENTEDCODEBLOCKS;
constexpr std::size_t max_indent = 8;
constexpr std::size_t max_quotes = 3;
/// Replaces an asterisk that is text while md4c reads, so that it is not a mark, nor in code.
constexpr char plain_asterisk = '\x01';

bool is_word(char c) {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

std::string prepared(std::string_view text) {
  std::string out{text};
  std::erase(out, plain_asterisk);
  for (std::size_t at = 1; at + 1 < out.size(); ++at) {
    if (out[at] == '*' && is_word(out[at - 1]) && is_word(out[at + 1])) out[at] = plain_asterisk;
  }
  return out;
}

std::string restored(std::string_view text) {
  std::string out{text};
  std::ranges::replace(out, plain_asterisk, '*');
  return out;
}

/// The visible form of an address: a phone number and an e-mail address without their scheme. Empty without a target.
std::string_view shown_address(std::string_view address) {
  if (address.starts_with("https://") || address.starts_with("http://")) return address;
  if (address.starts_with("mailto:") || address.starts_with("tel:")) return address.substr(address.find(':') + 1);
  return {};
}

Mark mark_of(MD_SPANTYPE span) {
  if (span == MD_SPAN_STRONG) return Mark::bold;
  return span == MD_SPAN_DEL ? Mark::strike : Mark::italic;
}

/// Turns md4c's events into pieces.
class Reader {
 public:
  explicit Reader(std::string_view text) : source_{prepared(text)} {}

  std::vector<Piece> read() {
    MD_PARSER parser{};
    parser.flags = dialect;
    parser.enter_block = [](MD_BLOCKTYPE type, void* detail, void* self) {
      return guarded(self, [&](Reader& reader) { reader.enter_block(type, detail); });
    };
    parser.leave_block = [](MD_BLOCKTYPE type, void*, void* self) {
      return guarded(self, [&](Reader& reader) { reader.leave_block(type); });
    };
    parser.enter_span = [](MD_SPANTYPE type, void* detail, void* self) {
      return guarded(self, [&](Reader& reader) { reader.enter_span(type, detail); });
    };
    parser.leave_span = [](MD_SPANTYPE type, void*, void* self) {
      return guarded(self, [&](Reader& reader) { reader.leave_span(type); });
    };
    parser.text = [](MD_TEXTTYPE type, MD_CHAR const* text, MD_SIZE size, void* self) {
      return guarded(self, [&](Reader& reader) { reader.text(type, {text, size}); });
    };
    auto const failed = md_parse(source_.data(), static_cast<MD_SIZE>(source_.size()), &parser, this) != 0;
    if (failure_) std::rethrow_exception(failure_);
    if (failed) throw std::bad_alloc{};
    return std::move(pieces_);
  }

 private:
  struct List {
    std::optional<unsigned> next{};  ///< the number of its next item, where they are numbered
    char delimiter = '.';
  };

  /// No exception may pass through md4c's frames: it is stored, and ends the reading.
  template <typename Event>
  static int guarded(void* self, Event event) noexcept {
    auto& reader = *static_cast<Reader*>(self);
    try {
      event(reader);
      return 0;
    } catch (...) {
      reader.failure_ = std::current_exception();
      return 1;
    }
  }

  void enter_block(MD_BLOCKTYPE type, void* detail) {
    line_due_ = true;
    if (type == MD_BLOCK_QUOTE) {
      ++quotes_;
    } else if (type == MD_BLOCK_UL) {
      lists_.emplace_back();
    } else if (type == MD_BLOCK_OL) {
      auto const& list = *static_cast<MD_BLOCK_OL_DETAIL*>(detail);
      lists_.push_back({list.start, list.mark_delimiter});
    } else if (type == MD_BLOCK_LI) {
      auto& list = lists_.back();
      items_.push_back(list.next ? fmt::format("{}{}", (*list.next)++, list.delimiter) : "");
    } else if (type == MD_BLOCK_CODE) {
      ++fence_lines_;
    } else if (type == MD_BLOCK_H) {
      begin(Mark::heading);
      in_heading_ = true;
    }
  }

  void leave_block(MD_BLOCKTYPE type) {
    if (type == MD_BLOCK_QUOTE) {
      --quotes_;
    } else if (type == MD_BLOCK_UL || type == MD_BLOCK_OL) {
      lists_.pop_back();
    } else if (type == MD_BLOCK_CODE) {
      code_.erase(code_.find_last_not_of('\n') + 1);
      code_.erase(0, code_.find_first_not_of('\n'));
      if (!line_due_) put({Kind::fence, {}, std::move(code_)});
      code_.clear();
      ++fence_lines_;
    } else if (type == MD_BLOCK_H) {
      in_heading_ = false;
      if (waiting_.size() == 1) waiting_.clear();  // nothing but its own beginning
      end(Mark::heading);
    }
    if (line_due_ && (!waiting_.empty() || (type == MD_BLOCK_LI && !items_.empty()))) begin_line(line_ + 1);
    line_due_ = true;
  }

  void enter_span(MD_SPANTYPE type, void* detail) {
    if (type == MD_SPAN_CODE) return;
    if (type == MD_SPAN_A) {
      begin_link(static_cast<MD_SPAN_A_DETAIL*>(detail)->href);
    } else if (type == MD_SPAN_IMG) {
      begin_link(static_cast<MD_SPAN_IMG_DETAIL*>(detail)->src);
    } else {
      begin(mark_of(type));
    }
  }

  void leave_span(MD_SPANTYPE type) {
    if (type == MD_SPAN_CODE) {
      put({Kind::code, {}, std::exchange(code_, {})});
    } else if (type == MD_SPAN_A || type == MD_SPAN_IMG) {
      if (--links_ == 0) put({Kind::link_end, Mark::link, std::string{shown_address(link_)}});
    } else {
      end(mark_of(type));
    }
  }

  void text(MD_TEXTTYPE type, std::string_view text) {
    if (type == MD_TEXT_NULLCHAR) return;
    if (type == MD_TEXT_BR || type == MD_TEXT_SOFTBR) return break_line();
    // Text that md4c adds itself, such as the line ends of code, is not in the source.
    auto const before = std::less<>{};
    if (!before(text.data(), source_.data()) && before(text.data(), source_.data() + source_.size())) {
      auto const line = line_at(static_cast<std::size_t>(text.data() - source_.data()));
      if (line_due_) begin_line(line);
      line_ = line;
    }
    if (type == MD_TEXT_CODE) {
      code_ += restored(text);
    } else {
      auto plain = restored(text);
      if (links_ > 0 && plain == link_ && !shown_address(link_).empty()) plain = shown_address(link_);
      put({Kind::text, {}, std::move(plain)});
    }
  }

  /// The number of the line at a position of the source. Positions must be given in ascending order.
  std::size_t line_at(std::size_t place) {
    for (; seen_ < place; ++seen_) {
      if (source_[seen_] != '\n') continue;
      ++seen_line_;
      seen_line_begin_ = seen_ + 1;
    }
    return seen_line_;
  }

  /// The text before a block's text: line ends as in the source, signs of quotes and items, and waiting marks.
  void begin_line(std::size_t line) {
    line_due_ = false;
    if (!pieces_.empty()) {
      put({Kind::line_end});
      if (line > line_ + fence_lines_ + 1) put({Kind::line_end});
    }
    line_ = line;
    fence_lines_ = 0;
    put_quotes();
    std::string indent(line == seen_line_ ? indent_of_line() : 0, ' ');
    for (auto const& number : std::exchange(items_, {})) put({Kind::item, {}, std::exchange(indent, {}) + number});
    for (auto& piece : std::exchange(waiting_, {})) put(std::move(piece));
  }

  std::size_t indent_of_line() const {
    auto const rest = std::string_view{source_}.substr(seen_line_begin_);
    return std::min({rest.find_first_not_of(" \t"), rest.size(), max_indent});
  }

  void put_quotes() {
    for (std::size_t quote = 0; quote < std::min(quotes_, max_quotes); ++quote) put({Kind::text, {}, "> "});
  }

  void break_line() {
    for (auto mark = open_.rbegin(); mark != open_.rend(); ++mark) put({Kind::end, *mark});
    put({Kind::line_end});
    put_quotes();
    for (auto const mark : open_) put({Kind::begin, mark});
  }

  void begin(Mark mark) {
    if (in_heading_) return;  // all of it is bold already
    if (depth_[static_cast<std::size_t>(mark)]++ > 0) return;
    open_.push_back(mark);
    put({Kind::begin, mark});
  }

  void end(Mark mark) {
    if (in_heading_ || --depth_[static_cast<std::size_t>(mark)] > 0) return;
    open_.pop_back();
    put({Kind::end, mark});
  }

  void begin_link(MD_ATTRIBUTE const& address) {
    if (links_++ > 0) return;  // an image within a link, or a link within an image's description
    link_ = restored({address.text, address.size});
    put({Kind::begin, Mark::link});
  }

  /// The place of a piece is known once a block's first text has arrived.
  void put(Piece piece) { (line_due_ ? waiting_ : pieces_).push_back(std::move(piece)); }

  std::string const source_;
  std::exception_ptr failure_;
  std::vector<Piece> pieces_;
  std::vector<Piece> waiting_;

  bool line_due_ = true;         ///< a block began without text so far
  std::size_t line_ = 0;         ///< of the source: that of the last text
  std::size_t fence_lines_ = 0;  ///< lines since then that only begin or end a block of code
  std::size_t seen_ = 0, seen_line_ = 0, seen_line_begin_ = 0;

  std::size_t quotes_ = 0;
  std::vector<List> lists_;
  std::vector<std::string> items_;  ///< numbers of items that began without text so far

  std::array<std::size_t, 5> depth_{};  ///< of each mark
  std::vector<Mark> open_;
  bool in_heading_ = false;
  std::string code_;
  std::size_t links_ = 0;
  std::string link_;
};

}  // namespace

std::vector<Piece> read_markdown(std::string_view text) {
  return Reader{text}.read();
}

}  // namespace omnibus::messaging
