#include "compose/simulator/replies.hpp"

#include "compose/simulator/oddities/spoil.hpp"
#include "compose/simulator/simulator.hpp"
#include "http/sse.hpp"

#include <algorithm>
#include <chrono>

#include <boost/json.hpp>

namespace omnibus::simulator {
namespace {

using std::chrono::milliseconds;

constexpr std::string_view done = "[DONE]";
constexpr milliseconds longest_open{120'000};

/// Writes until the peer has had enough.
Task<> write_endlessly(http::Stream& stream, std::string piece) {
  while (!stream.closed()) {
    auto writing = stream.write(piece);
    co_await std::move(writing);
    auto waiting = stream.wait(milliseconds(1));
    co_await std::move(waiting);
  }
}

}  // namespace

bool is(FaultRule const* fault, FaultKind kind) {
  return fault != nullptr && fault->kind == kind;
}

Task<> send_odd_reply(OddReply reply, http::Stream& stream) {
  using End = OddReply::End;
  if (reply.end == End::complete && reply.piece == 0) {
    auto responding = stream.respond(http::Response{reply.status, std::move(reply.headers), std::move(reply.body)});
    co_await std::move(responding);
    co_return;
  }
  auto starting = stream.start(reply.status, std::move(reply.headers));
  co_await std::move(starting);
  for (auto rest = std::string_view(reply.body); !rest.empty();) {
    auto const piece = rest.substr(0, reply.piece == 0 ? rest.size() : reply.piece);
    rest.remove_prefix(piece.size());
    auto writing = stream.write(piece);
    co_await std::move(writing);
  }
  if (reply.end == End::complete) co_return;
  // What was sent must have arrived before a reset, which would discard it.
  auto waiting = stream.wait(reply.end == End::breaks ? milliseconds(50) : longest_open);
  co_await std::move(waiting);
  stream.reset();
}

Task<> Simulator::send_stream(Question const& question, Answer const& answer, FaultRule const* fault,
                              http::Stream& stream) {
  auto const chunks = answer_chunks(answer, question.include_usage);
  auto const broken = is(fault, FaultKind::truncated) || is(fault, FaultKind::stream_error);
  auto const sent = broken ? chunks.size() / 2 : chunks.size();
  auto const pace = is(fault, FaultKind::drip) ? milliseconds(fault->ms.value_or(200)) : settings_.pace;
  std::string out;
  if (fault == nullptr && pace.count() == 0) {  // all at once: the cheapest way for thousands of callers
    for (auto const& chunk : chunks) http::append_sse_event(out, {}, chunk);
    http::append_sse_event(out, {}, done);
    auto responding = stream.respond(http::Response{200, event_stream_headers(), std::move(out)});
    co_await std::move(responding);
    co_return;
  }
  auto starting = stream.start(200, event_stream_headers());
  co_await std::move(starting);
  for (std::size_t i = 0; i < sent; ++i) {
    http::append_sse_event(out, {}, chunks[i]);
    if (pace.count() == 0) continue;
    auto writing = stream.write(out);
    co_await std::move(writing);
    out.clear();
    auto waiting = stream.wait(pace);
    co_await std::move(waiting);
  }
  if (is(fault, FaultKind::truncated)) out.append("data: ").append(chunks[sent].substr(0, chunks[sent].size() / 2));
  if (is(fault, FaultKind::stream_error)) {
    http::append_sse_event(out, {}, error_body("The server is overloaded", "server_error", "", ""));
  }
  if (!broken && !is(fault, FaultKind::endless)) http::append_sse_event(out, {}, done);
  auto writing = stream.write(out);
  co_await std::move(writing);
  if (!is(fault, FaultKind::endless)) co_return;
  std::string filler;
  while (filler.size() < 16 * 1024) http::append_sse_event(filler, {}, chunks[chunks.size() / 2]);
  auto filling = write_endlessly(stream, std::move(filler));
  co_await std::move(filling);
}

Task<> Simulator::send_whole(Answer const& answer, FaultRule const* fault, http::Stream& stream) {
  auto body = whole_answer(answer);
  if (is(fault, FaultKind::truncated)) body.resize(body.size() / 2);
  if (is(fault, FaultKind::stream_error)) body = error_body("The server is overloaded", "server_error", "", "");
  if (is(fault, FaultKind::endless) || is(fault, FaultKind::drip)) {
    auto starting = stream.start(200, {{"Content-Type", "application/json"}});
    co_await std::move(starting);
    if (is(fault, FaultKind::endless)) {
      auto filling = write_endlessly(stream, std::string(16 * 1024, ' '));
      co_await std::move(filling);
      co_return;
    }
    for (auto rest = std::string_view(body); !rest.empty();) {
      auto const piece = rest.substr(0, 64);
      rest.remove_prefix(piece.size());
      auto writing = stream.write(piece);
      co_await std::move(writing);
      auto waiting = stream.wait(milliseconds(fault->ms.value_or(200)));
      co_await std::move(waiting);
    }
    co_return;
  }
  auto responding = stream.respond(http::json_response(200, std::move(body)));
  co_await std::move(responding);
}

}  // namespace omnibus::simulator
