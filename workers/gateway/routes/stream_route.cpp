#include "workers/gateway/routes/stream_route.hpp"

#include "events/conversation.hpp"
#include "http/sse.hpp"
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

namespace omnibus::gateway {
namespace asio = boost::asio;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

constexpr auto longest_catching_up = 60s;
constexpr std::chrono::milliseconds first_patience{50};

std::optional<Cursor> last_event_id(http::Request const& request) {
  auto text = request.headers.find("Last-Event-ID");
  if (!text || text->empty()) text = request.query_value("last_event_id");
  if (!text || text->empty()) return std::nullopt;
  auto const cursor = parse_cursor(*text);
  if (!cursor) throw Refusal::invalid("Last-Event-ID", "It is not an id of this stream");
  return cursor;
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
  if (!sources_.recent.begun()) throw Refusal::unavailable("Replies are not followed yet");
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
  auto const next = sources_.recent.next_offset(opening.after->partition);
  if (next && opening.after->offset < *next) co_return;
  // Ahead of our tail: another gateway may be faster, or the topic may have been created again.
  auto asking = sources_.history.end_of(opening.after->partition);
  auto const end = co_await std::move(asking);
  if (opening.after->offset >= end) opening.after.reset();
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

Task<> StreamRoute::read_history(Opening const& opening, Teller& teller, http::Stream& stream) {
  auto position = *opening.after;
  auto const deadline = Clock::now() + longest_catching_up;
  while (!stream.closed()) {
    auto const held_from = sources_.recent.held_from(position.partition);
    if (!held_from || position.offset >= *held_from) co_return;
    if (Clock::now() >= deadline) throw Refusal::unavailable("The stream could not catch up");
    auto reading = sources_.history.read(opening.conversation_id, position, *held_from);
    auto const stretch = co_await std::move(reading);
    for (auto const& reply : stretch.replies) teller.tell(reply);
    position.offset = stretch.next;
    auto text = teller.take();
    // An id without an event moves the client past records of other conversations, for its next resume.
    text += "id: " + to_string(Cursor{position.partition, position.offset - 1}) + "\n\n";
    auto writing = stream.write(text);
    co_await std::move(writing);
  }
}

Task<> StreamRoute::serve(http::Request const& request, Opening opening, http::Stream& stream) {
  auto starting = stream.start(200, event_stream_headers());
  co_await std::move(starting);
  auto greeting = stream.write(stream_prologue);
  co_await std::move(greeting);

  Teller teller(opening.after);
  if (opening.after) {
    auto reading = read_history(opening, teller, stream);
    co_await std::move(reading);
  }
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
