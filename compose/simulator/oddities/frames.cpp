#include "compose/simulator/oddities/builders.hpp"
#include "http/sse.hpp"

#include <algorithm>
#include <new>

#include <boost/json.hpp>
#include <zlib.h>

namespace omnibus::simulator::odd {
namespace {

constexpr std::string_view done_event = "data: [DONE]\n\n";
constexpr std::size_t chunks_between_pings = 3;

/// The correct reply to a streamed question; nothing for another one.
std::optional<OddReply> stream_of(UsualAnswer const& usual) {
  if (!usual.stream) return std::nullopt;
  return framed(documents_of(usual), true);
}

void cut_done(std::string& body) {
  body.resize(body.size() - done_event.size());
}

std::string replaced(std::string_view text, std::string_view part, std::string_view other) {
  std::string result;
  for (auto at = text.find(part); at != std::string_view::npos; at = text.find(part)) {
    result.append(text.substr(0, at)).append(other);
    text.remove_prefix(at + part.size());
  }
  return result.append(text);
}

/// The correct stream with this text between its events.
std::optional<OddReply> with_between(UsualAnswer const& usual, std::string_view text) {
  if (!usual.stream) return std::nullopt;
  OddReply reply{200, event_stream_headers(), std::string(text)};
  std::size_t count = 0;
  for (auto const& document : documents_of(usual)) {
    http::append_sse_event(reply.body, {}, boost::json::serialize(document));
    if (++count % chunks_between_pings == 0) reply.body += text;
  }
  reply.body.append(text).append(done_event);
  return reply;
}

std::string gzip(std::string& text) {
  z_stream deflating{};
  constexpr auto gzip_window = 15 + 16;
  if (deflateInit2(&deflating, Z_DEFAULT_COMPRESSION, Z_DEFLATED, gzip_window, 8, Z_DEFAULT_STRATEGY) != Z_OK)
    throw std::bad_alloc();
  std::string out(deflateBound(&deflating, text.size()), '\0');
  deflating.next_in = reinterpret_cast<Bytef*>(text.data());
  deflating.avail_in = static_cast<uInt>(text.size());
  deflating.next_out = reinterpret_cast<Bytef*>(out.data());
  deflating.avail_out = static_cast<uInt>(out.size());
  deflate(&deflating, Z_FINISH);
  out.resize(deflating.total_out);
  deflateEnd(&deflating);
  return out;
}

}  // namespace

std::optional<OddReply> all_at_once(UsualAnswer const& usual) {
  if (!usual.stream) return std::nullopt;
  return framed({answer_document(usual.answer)}, false);
}

std::optional<OddReply> stream_unasked(UsualAnswer const& usual) {
  if (usual.stream) return std::nullopt;
  return framed(chunk_documents(usual.answer, true), true);
}

std::optional<OddReply> stream_called_json(UsualAnswer const& usual) {
  auto reply = stream_of(usual);
  if (reply) reply->headers = json_headers();
  return reply;
}

std::optional<OddReply> no_empty_line_at_the_end(UsualAnswer const& usual) {
  if (!usual.stream) return std::nullopt;
  auto reply = framed(chunk_documents(usual.answer, false), true);
  cut_done(reply.body);
  reply.body.pop_back();
  return reply;
}

std::optional<OddReply> open_after_done(UsualAnswer const& usual) {
  auto reply = stream_of(usual);
  if (reply) reply->end = OddReply::End::stays_open;
  return reply;
}

std::optional<OddReply> open_without_done(UsualAnswer const& usual) {
  auto reply = open_after_done(usual);
  if (reply) cut_done(reply->body);
  return reply;
}

std::optional<OddReply> no_done(UsualAnswer const& usual) {
  auto reply = stream_of(usual);
  if (reply) cut_done(reply->body);
  return reply;
}

std::optional<OddReply> breaks_after_finish(UsualAnswer const& usual) {
  auto reply = no_done(usual);
  if (reply) reply->end = OddReply::End::breaks;
  return reply;
}

std::optional<OddReply> data_without_space(UsualAnswer const& usual) {
  auto reply = stream_of(usual);
  if (reply) reply->body = replaced(reply->body, "data: ", "data:");
  return reply;
}

std::optional<OddReply> crlf_lines(UsualAnswer const& usual) {
  auto reply = stream_of(usual);
  if (reply) reply->body = replaced(reply->body, "\n", "\r\n");
  return reply;
}

std::optional<OddReply> cr_lines(UsualAnswer const& usual) {
  auto reply = stream_of(usual);
  if (reply) std::replace(reply->body.begin(), reply->body.end(), '\n', '\r');
  return reply;
}

std::optional<OddReply> byte_order_mark(UsualAnswer const& usual) {
  auto reply = framed(documents_of(usual), usual.stream);
  reply.body.insert(0, "\xEF\xBB\xBF");
  return reply;
}

std::optional<OddReply> keep_alive_comments(UsualAnswer const& usual) {
  return with_between(usual, ": OPENROUTER PROCESSING\n\n");
}

std::optional<OddReply> keep_alive_as_data(UsualAnswer const& usual) {
  return with_between(usual, "data: : OPENROUTER PROCESSING\n\n");
}

std::optional<OddReply> null_as_data(UsualAnswer const& usual) {
  return with_between(usual, "data: null\n\n");
}

std::optional<OddReply> empty_data(UsualAnswer const& usual) {
  return with_between(usual, "data:\n\n");
}

std::optional<OddReply> ping_events(UsualAnswer const& usual) {
  return with_between(usual, "event: ping\ndata: {\"type\": \"ping\"}\n\n");
}

std::optional<OddReply> byte_by_byte(UsualAnswer const& usual) {
  auto reply = framed(documents_of(usual), usual.stream);
  reply.piece = 1;
  return reply;
}

std::optional<OddReply> blank_lines_around(UsualAnswer const& usual) {
  auto reply = framed(documents_of(usual), usual.stream);
  reply.body = "\n\n         \n\n" + reply.body + "\n\n  \n";
  return reply;
}

std::optional<OddReply> gzip_unasked(UsualAnswer const& usual) {
  auto reply = framed(documents_of(usual), usual.stream);
  reply.headers.add("Content-Encoding", "gzip");
  reply.body = gzip(reply.body);
  return reply;
}

}  // namespace omnibus::simulator::odd
