#include "workers/gateway/routes/stream_route.hpp"

#include "events/conversation.hpp"
#include "http/sse.hpp"
#include "json/encode.hpp"
#include "observability/log.hpp"
#include "workers/gateway/door/refusal.hpp"
#include "workers/gateway/door/token_watch.hpp"
#include "workers/gateway/routes/transcript_route.hpp"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::milliseconds first_patience{50};

struct GapData {
  std::string transcript;
};
BOOST_DESCRIBE_STRUCT(GapData, (), (transcript))

std::optional<Cursor> last_event_id(http::Request const& request) {
  auto text = request.headers.find("Last-Event-ID");
  if (!text || text->empty()) text = request.query_value("last_event_id");
  if (!text || text->empty()) return std::nullopt;
  auto const cursor = parse_cursor(*text);
  if (!cursor) throw Refusal::invalid("Last-Event-ID", "It is not an id of this stream");
  return cursor;
}

/// Tells a client that events after its last one are not in memory any more, and where their texts are.
void append_gap(std::string& out, Uuid const& conversation_id) {
  http::append_sse_event(out, "gap", json::encode(GapData{"/v1/conversations/" + to_string(conversation_id)}));
}

/// Pauses for a while on the caller's executor.
Task<> pause(std::chrono::milliseconds duration) {
  auto const executor = co_await asio::this_coro::executor;
  asio::steady_timer timer(executor, duration);
  auto wait = timer.async_wait(asio::use_awaitable);
  co_await std::move(wait);
}

}  // namespace

void Teller::tell(Reply const& reply) {
  auto const is_new = told_.admit(reply);
  // The client has its cursor's whole partition up to there; another gateway's tail may be a little ahead of ours.
  auto const has_it = after_ && reply.at.partition == after_->partition && reply.at.offset <= after_->offset;
  if (is_new && !has_it) text_ += reply.frame;
}

std::string Teller::take() {
  return std::exchange(text_, {});
}

StreamRoute::StreamRoute(Admission& admission, AccessLog& access_log, Store& store, ReplySources sources,
                         StreamPlaces& places, StreamSettings const& settings)
    : admission_(admission),
      access_log_(access_log),
      store_(store),
      sources_(sources),
      places_(places),
      settings_(settings) {}

Task<> StreamRoute::get(http::Request const& request, http::Stream& stream) {
  auto opening = open(request);
  auto opened = co_await std::move(opening);
  auto const place = places_.take(opened.domain);
  auto serving = serve(request, std::move(opened), stream);
  co_await std::move(serving);
}

Task<StreamRoute::Opening> StreamRoute::open(http::Request const& request) {
  auto admission = admission_.admit(request, needs);
  auto const principal = co_await std::move(admission);
  if (!sources_.recent.is_complete()) throw Refusal::unavailable("Replies are not followed yet");
  auto const now = Clock::now();
  Opening opening;
  opening.conversation_id = conversation_of(request);
  opening.domain = domain_of(principal, request);
  opening.after = last_event_id(request);
  auto const mark = sources_.unseen.find(opening.conversation_id, now);
  opening.since = mark ? mark->sequence : sources_.recent.sequence_at(now - settings_.look_back);
  if (!mark || mark->domain != opening.domain) {
    auto authorisation = authorise(request, principal.in(opening.domain), opening.conversation_id);
    co_await std::move(authorisation);
  }
  auto check = check_cursor(opening);
  co_await std::move(check);
  auto logging = access_log_.read_by_person(principal.in(opening.domain), request, opening.conversation_id);
  co_await std::move(logging);
  co_return opening;
}

Task<> StreamRoute::check_cursor(Opening& opening) {
  if (!opening.after) co_return;
  auto const& recent = sources_.recent;
  auto const is_ahead = [&] {
    auto const next = recent.next_offset(opening.after->partition);
    return next && opening.after->offset >= *next;
  };
  // Another gateway may be faster; or the topic was created again.
  auto const deadline = Clock::now() + settings_.open_wait;
  while (is_ahead() && Clock::now() < deadline) {
    auto waiting = pause(first_patience);
    co_await std::move(waiting);
  }
  auto const held_from = recent.held_from(opening.after->partition);
  opening.gap = !held_from || opening.after->offset < *held_from || is_ahead();
  if (!held_from || is_ahead()) opening.after.reset();
}

Task<> StreamRoute::authorise(http::Request const& request, Scope scope, Uuid conversation_id) {
  auto const session_id = request.query_value("session_id");
  if (session_id && conversation_id_of(scope.domain, *session_id) == conversation_id) co_return;
  // It may have been posted to another gateway, and the chat worker may not have stored it yet.
  auto const deadline = Clock::now() + settings_.open_wait;
  for (auto patience = first_patience;; patience *= 2) {
    auto lookup = store_.conversation(scope, conversation_id);
    auto const conversation = co_await std::move(lookup);
    if (conversation) co_return;
    if (Clock::now() >= deadline) throw Refusal::no_conversation();
    auto waiting = pause(patience);
    co_await std::move(waiting);
  }
}

Task<> StreamRoute::serve(http::Request const& request, Opening opening, http::Stream& stream) {
  auto starting = stream.start(200, event_stream_headers());
  co_await std::move(starting);
  std::string prologue{stream_prologue};
  if (opening.gap) append_gap(prologue, opening.conversation_id);
  auto greeting = stream.write(prologue);
  co_await std::move(greeting);

  Teller teller(opening.after);
  auto const executor = co_await asio::this_coro::executor;
  auto const timer = std::make_shared<asio::steady_timer>(executor);
  // From here to the subscription nothing may suspend: otherwise replies between memory and feed would be missed.
  auto const recent = opening.after ? sources_.recent.from(opening.conversation_id, *opening.after)
                                    : sources_.recent.since(opening.conversation_id, opening.since);
  Subscription subscription(sources_.feed, opening.conversation_id, settings_.max_buffer.bytes,
                            [timer] { timer->cancel(); });
  std::uint64_t seen = 0;
  for (auto const& reply : recent) {
    teller.tell(*reply);
    seen = reply->sequence + 1;
  }
  stream.on_close([timer] { timer->cancel(); });
  TokenWatch token(admission_, request, Clock::now());
  auto written = Clock::now();
  while (!stream.closed()) {
    auto asking = token.holds(Clock::now());
    if (!co_await std::move(asking)) co_return;
    while (auto const reply = subscription.take()) {
      teller.tell(*reply);
      seen = reply->sequence + 1;
    }
    auto text = teller.take();
    if (!text.empty()) {
      auto writing = stream.write(text);
      co_await std::move(writing);
      written = Clock::now();
      sources_.unseen.seen(opening.conversation_id, seen);
      continue;
    }
    if (subscription.overrun()) {
      log::info("a stream was too slow and has to resume", {{"conversation_id", to_string(opening.conversation_id)}});
      co_return;
    }
    timer->expires_at(std::min(written + settings_.heartbeat, Clock::now() + TokenWatch::interval));
    boost::system::error_code woken;
    auto wait = timer->async_wait(asio::redirect_error(asio::use_awaitable, woken));
    co_await std::move(wait);
    if (woken || Clock::now() < written + settings_.heartbeat) continue;
    written = Clock::now();
    auto beating = stream.write(": \n\n");
    co_await std::move(beating);
  }
}

}  // namespace omnibus::gateway
