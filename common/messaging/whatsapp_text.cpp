#include "messaging/whatsapp_text.hpp"

#include "messaging/markdown.hpp"
#include "messaging/plain_text.hpp"
#include "messaging/sms_text.hpp"
#include "messaging/unicode.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <utility>
#include <vector>

namespace omnibus::messaging {
namespace {

constexpr std::u16string_view ellipsis = u"…";

std::string_view emoji(std::string_view kind) {
  constexpr std::pair<std::string_view, std::string_view> emojis[] = {
      {"call_summary", "📞 "}, {"message", "📣 "}, {"opt_out", "🔕 "}, {"opt_in", "🔔 "}, {"help", "💡 "},
  };
  auto const* const known = std::ranges::find(emojis, kind, &std::pair<std::string_view, std::string_view>::first);
  return known == std::end(emojis) ? std::string_view{} : known->second;
}

std::string_view sign(Piece::Mark mark) {
  switch (mark) {
    case Piece::Mark::bold:
    case Piece::Mark::heading:
      return "*";
    case Piece::Mark::italic:
      return "_";
    case Piece::Mark::strike:
      return "~";
    case Piece::Mark::link:
      break;
  }
  return "";
}

/// Writes pieces until a limit is reached.
class Writer {
 public:
  Writer(std::size_t limit, std::string_view beginning) : limit_{limit} { write(beginning); }

  void write(std::vector<Piece> const& pieces) {
    for (auto piece = pieces.begin(); piece != pieces.end() && !full_; ++piece) write(*piece);
  }

  std::u16string const& text() const { return text_; }

 private:
  void write(Piece const& piece) {
    switch (piece.kind) {
      case Piece::Kind::text:
        return write(piece.text);
      case Piece::Kind::code:
        return surrounded("`", piece.text);
      case Piece::Kind::fence:
        return surrounded("```", piece.text);
      case Piece::Kind::begin:
        if (piece.mark != Piece::Mark::link) return open(sign(piece.mark));
        link_ = text_.size();
        return;
      case Piece::Kind::end:
        return close(sign(piece.mark));
      case Piece::Kind::link_end:
        return write(link_address(to_utf8(std::u16string_view{text_}.substr(link_)), piece.text));
      case Piece::Kind::item:
        write(piece.text);
        return write(piece.text.ends_with(' ') || piece.text.empty() ? "• " : " ");
      case Piece::Kind::line_end:
        return write("\n");
    }
  }

  void surrounded(std::string_view mark, std::string_view inner) {
    open(mark);
    write(inner);
    close(mark);
  }

  void open(std::string_view mark) {
    if (full_) return;
    if (room() < 2 * mark.size()) return finish();
    text_ += to_utf16(mark);
    open_.push_back(mark);
    closing_ += mark.size();
  }

  void close(std::string_view mark) {
    if (full_) return;  // all were closed
    auto const open = std::find(open_.rbegin(), open_.rend(), mark);
    if (open == open_.rend()) return;
    open_.erase(std::prev(open.base()));
    closing_ -= mark.size();
    text_ += to_utf16(mark);
  }

  void write(std::string_view utf8) {
    if (full_) return;
    auto const more = to_utf16(utf8);
    auto const fitting = cut_position(more, room());
    text_.append(more, 0, fitting);
    if (fitting < more.size()) finish();
  }

  /// The room left beside the ellipsis and the closing marks.
  std::size_t room() const { return limit_ - text_.size() - closing_; }

  void finish() {
    full_ = true;
    text_ += ellipsis;
    for (auto mark = open_.rbegin(); mark != open_.rend(); ++mark) text_ += to_utf16(*mark);
  }

  std::size_t limit_;
  std::u16string text_;
  std::vector<std::string_view> open_;
  std::size_t closing_ = ellipsis.size();
  std::size_t link_ = 0;
  bool full_ = false;
};

}  // namespace

std::string whatsapp_text(std::string_view kind, std::string_view body) {
  auto const pieces = read_markdown(to_utf8(printable(composed(bounded(body, max_body)))));
  Writer whole{std::numeric_limits<std::size_t>::max(), emoji(kind)};
  whole.write(pieces);
  if (whole.text().size() <= whatsapp_max_text) return to_utf8(whole.text());
  Writer beginning{whatsapp_max_text, emoji(kind)};
  beginning.write(pieces);
  return to_utf8(beginning.text());
}

std::string whatsapp_template_parameter(std::string_view body, std::size_t max) {
  std::u16string line;
  for (auto const unit : printable(composed(plain_text(bounded(body, max_body), "• ")))) {
    auto const blank = unit == u' ' || unit == u'\n';
    if (!blank) {
      line += unit;
    } else if (!line.empty() && line.back() != u' ') {
      line += u' ';
    }
  }
  if (line.ends_with(u' ')) line.pop_back();
  if (line.size() <= max) return to_utf8(line);
  if (max < ellipsis.size()) return {};
  return to_utf8(line.substr(0, cut_position(line, max - ellipsis.size())).append(ellipsis));
}

}  // namespace omnibus::messaging
