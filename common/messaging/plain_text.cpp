#include "messaging/plain_text.hpp"

#include "messaging/markdown.hpp"

namespace omnibus::messaging {

std::string link_address(std::string_view text, std::string_view address) {
  if (address.empty() || text == address || (address.ends_with(text) && address.starts_with("http"))) return {};
  return std::string{text.empty() ? "" : " ("}.append(address).append(text.empty() ? "" : ")");
}

std::string plain_text(std::string_view markdown, std::string_view bullet) {
  std::string out;
  std::size_t link = 0;
  for (auto const& piece : read_markdown(markdown)) {
    switch (piece.kind) {
      case Piece::Kind::text:
      case Piece::Kind::code:
      case Piece::Kind::fence:
        out += piece.text;
        break;
      case Piece::Kind::begin:
        if (piece.mark == Piece::Mark::link) link = out.size();
        break;
      case Piece::Kind::end:
        break;
      case Piece::Kind::link_end:
        out += link_address(std::string_view{out}.substr(link), piece.text);
        break;
      case Piece::Kind::item:
        out += piece.text;
        out += piece.text.ends_with(' ') || piece.text.empty() ? bullet : " ";
        break;
      case Piece::Kind::line_end:
        out += '\n';
        break;
    }
  }
  return out;
}

}  // namespace omnibus::messaging
