#include "workers/gateway/matches/turn_stream.hpp"

#include "http/sse.hpp"
#include "json/encode.hpp"
#include "matches/reads.hpp"
#include "workers/gateway/matches/confidential.hpp"
#include "workers/gateway/matches/query.hpp"

#include <algorithm>
#include <charconv>
#include <chrono>
#include <memory>
#include <utility>

#include <boost/asio/redirect_error.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/this_coro.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/describe/class.hpp>

namespace omnibus::gateway {
namespace {

using namespace std::chrono_literals;
using TurnClock = std::chrono::steady_clock;

constexpr std::string_view end_id = "end";
constexpr std::chrono::milliseconds look_again{2'000};

/// The last event of a conversation that was not held to its end, or could not be judged.
struct FailedConversation {
  std::string status;
  std::optional<std::string> stop_reason, error{};
};
BOOST_DESCRIBE_STRUCT(FailedConversation, (), (status, stop_reason, error))

/// Where the client's stream ended: the number of a turn, or nothing after the last event.
std::optional<std::int64_t> last_turn(http::Request const& request) {
  auto text = request.headers.find("Last-Event-ID");
  if (!text || text->empty()) text = request.query_value("last_event_id");
  if (!text || text->empty()) return 0;
  if (*text == end_id) return std::nullopt;
  std::int32_t number = 0;  // as the column has it
  auto const* const end = text->data() + text->size();
  auto const [last, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || last != end || number < 0)
    throw Refusal::invalid("Last-Event-ID", "It is not an id of this stream");
  return number;
}

}  // namespace

TurnFrames write_turn_frames(std::optional<matches::AgentConversationDetail> const& detail, std::int64_t told) {
  TurnFrames frames{{}, told, false};
  auto const end = [&](std::string_view event, std::string const& data) {
    http::append_sse_event(frames.text, event, data, end_id);
    frames.ended = true;
  };
  if (!detail) {
    end("failed", json::encode(FailedConversation{"failed", "erased"}));
    return frames;
  }
  for (auto const& turn : detail->turns) {
    http::append_sse_event(frames.text, "turn", json::encode(turn), std::to_string(turn.turn_number));
    frames.told = turn.turn_number;
  }
  if (std::ssize(detail->turns) == matches::most_turns) return frames;  // there may be more
  if (detail->outcome)
    end("outcome", json::encode(*detail->outcome));
  else if (detail->status == "failed")
    end("failed", json::encode(FailedConversation{detail->status, detail->stop_reason}));
  else if (detail->status == "completed" && detail->error)
    end("failed", json::encode(FailedConversation{detail->status, detail->stop_reason, detail->error}));
  return frames;
}

Task<std::optional<matches::AgentConversationDetail>> TurnStream::read(Caller caller, Uuid id, std::int64_t after) {
  auto reading = reads_.read(caller.scope, [=](pqxx::transaction_base& transaction) {
    return matches::read_agent_conversation_detail(transaction, id, after);
  });
  auto detail = co_await std::move(reading);
  if (detail) detail = shown_to(caller, *std::move(detail));
  co_return detail;
}

Task<> TurnStream::get(http::Request const& request, http::Stream& stream) {
  auto admission = reads_.admit(request, needs);
  auto caller = co_await std::move(admission);
  auto const id = path_id(request);
  auto const told = last_turn(request);
  auto reading = read(caller, id, told.value_or(0));
  auto const found = co_await std::move(reading);
  if (!found) throw Refusal(404, "No such conversation", {}, "id");
  if (!told) {
    auto responding = stream.respond({204, {}, {}});
    co_await std::move(responding);
    co_return;
  }
  auto const place = places_.take(caller.scope.domain);
  auto noting = reads_.note_reading(caller, request, id);
  co_await std::move(noting);
  auto serving = serve(request, std::move(caller), id, *told, stream);
  co_await std::move(serving);
}

Task<> TurnStream::serve(http::Request const& request, Caller caller, Uuid id, std::int64_t told,
                         http::Stream& stream) {
  auto starting = stream.start(200, event_stream_headers());
  co_await std::move(starting);
  auto greeting = stream.write(stream_prologue);
  co_await std::move(greeting);

  auto const executor = co_await boost::asio::this_coro::executor;
  auto const timer = std::make_shared<boost::asio::steady_timer>(executor);
  // Before the first look: a turn that is completed meanwhile makes another one.
  Subscription news(feed_, id, settings_.max_buffer.bytes, [timer] { timer->cancel(); });
  stream.on_close([timer] { timer->cancel(); });
  auto beaten = TurnClock::now();
  auto token = reads_.watch_token(request);
  while (!stream.closed() && !news.overrun()) {
    auto asking = token.holds(TurnClock::now());
    if (!co_await std::move(asking)) co_return;
    while (news.take()) {
    }
    auto reading = read(caller, id, told);
    auto const detail = co_await std::move(reading);
    auto const frames = write_turn_frames(detail, told);
    told = frames.told;
    auto const quiet = frames.text.empty();
    if (!quiet || TurnClock::now() - beaten >= settings_.heartbeat) {
      beaten = TurnClock::now();
      auto writing = stream.write(quiet ? std::string_view(": \n\n") : std::string_view(frames.text));
      co_await std::move(writing);
    }
    if (frames.ended) co_return;
    if (!quiet || !news.empty()) continue;
    timer->expires_after(std::min<std::chrono::milliseconds>(look_again, settings_.heartbeat));
    boost::system::error_code woken;
    auto wait = timer->async_wait(boost::asio::redirect_error(boost::asio::use_awaitable, woken));
    co_await std::move(wait);
  }
}

}  // namespace omnibus::gateway
