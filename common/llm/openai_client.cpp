#include "llm/openai_client.hpp"

#include "http/retry_after.hpp"
#include "http/sse.hpp"
#include "llm/openai_wire.hpp"

#include <stdexcept>

namespace omnibus::llm {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = LlmError::Kind;

constexpr std::size_t max_error_bytes = 64 * 1024;

/// Turns what comes into the answer, as it comes.
class AnswerReader final : public http::ResponseReader {
 public:
  AnswerReader(bool stream, std::size_t max_bytes, DeltaSink& sink)
      : stream_(stream), begun_(Clock::now()), sink_(sink), events_({max_bytes, max_bytes}) {}

  void head(http::ResponseHead const& head) override {
    status_ = head.status();
    auto const type = head.find("content-type").value_or("");
    auto const is = [&](std::string_view wanted) {
      return http::equals_ignoring_case(type.substr(0, wanted.size()), wanted);
    };
    streaming_ = status_ == 200 && stream_ && is("text/event-stream");
    fitting_ = streaming_ || (status_ == 200 && !stream_ && is("application/json"));
    if (status_ == 200) return;
    retry_after_ = http::parse_retry_after(head.find("retry-after-ms"), head.find("retry-after"),
                                           std::chrono::system_clock::now());
  }

  bool body(std::string_view piece) override {
    if (!streaming_) {
      // Of an answer that cannot be used, only as much is read as an error message takes.
      auto const enough = !fitting_ && body_.size() + piece.size() > max_error_bytes;
      body_.append(piece.substr(0, enough ? max_error_bytes - body_.size() : piece.size()));
      return !enough;
    }
    while (true) {
      switch (events_.next(piece)) {
        case http::SseParser::Step::need_more:
          return true;
        case http::SseParser::Step::too_large:
          throw LlmError(Kind::protocol, "an event of the stream is too large");
        case http::SseParser::Step::event:
          take_event();
          break;
      }
    }
  }

  /// @throws LlmError unless the answer is whole.
  ChatCompletion finish(std::int64_t estimated_input) {
    if (status_ != 200) throw error_from(status_, body_, retry_after_);
    if (streaming_) {
      if (!done_ && !answer_.finished()) throw LlmError(Kind::protocol, "the stream ended before the answer did");
    } else if (fitting_) {
      answer_.take_whole(body_);
    } else {
      if (body_.find("\"error\"") != std::string::npos) throw error_from(0, body_, {});
      throw LlmError(Kind::protocol, "the answer has the wrong content type");
    }
    auto completion = answer_.finish(estimated_input);
    completion.ttft = first_piece_;
    completion.duration = elapsed();
    return completion;
  }

 private:
  void take_event() {
    if (done_) return;
    if (events_.data() == "[DONE]") {
      done_ = true;
      return;
    }
    auto const piece = answer_.take_chunk(events_.data());
    if (answer_.begun() && !first_piece_) first_piece_ = elapsed();
    if (!piece.empty() && sink_) sink_(piece);
  }
  std::chrono::milliseconds elapsed() const {
    return std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begun_);
  }

  bool stream_;
  bool streaming_ = false;
  bool fitting_ = false;
  bool done_ = false;
  int status_ = 0;
  Clock::time_point begun_;
  DeltaSink& sink_;
  http::SseParser events_;
  AnswerAssembler answer_;
  std::string body_;
  std::optional<std::chrono::milliseconds> first_piece_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

LlmError translated(http::ClientError const& error) {
  using From = http::ClientError::Kind;
  switch (error.kind()) {
    case From::timeout:
      return LlmError(Kind::timeout, error.what());
    case From::too_large:
    case From::protocol:
      return LlmError(Kind::protocol, error.what());
    case From::connect:
    case From::closed:
    case From::cancelled:
      break;
  }
  return LlmError(Kind::unavailable, error.what());
}

}  // namespace

OpenAiClient::OpenAiClient(http::Client& client, OpenAiSettings settings)
    : client_(client), settings_(std::move(settings)) {
  auto const slash = settings_.base_url.find_last_not_of('/');
  auto url = http::parse_url(settings_.base_url.substr(0, slash + 1) + "/chat/completions");
  if (!url) throw std::invalid_argument("not an http(s) address: set LLM_BASE_URL");
  url_ = std::move(*url);
}

http::ClientRequest OpenAiClient::encode(ChatRequest const& request) const {
  http::ClientRequest call;
  call.method = "POST";
  call.url = url_;
  call.headers.add("Content-Type", "application/json");
  call.headers.add("Accept", request.stream ? "text/event-stream" : "application/json");
  if (!settings_.api_key.empty()) call.headers.add("Authorization", "Bearer " + settings_.api_key);
  call.body = encode_request(request, settings_.max_tokens_field);
  call.deadline = request.deadline;
  call.max_response_bytes = settings_.max_response_bytes;
  return call;
}

Task<ChatCompletion> OpenAiClient::complete(ChatRequest request, DeltaSink sink) {
  auto const estimated = estimate_input(request);
  AnswerReader reader(request.stream, settings_.max_response_bytes, sink);
  auto sending = client_.send(encode(request), reader);
  auto const asked_model = std::exchange(request, {}).model;
  std::optional<LlmError> failure;
  try {
    co_await std::move(sending);
  } catch (http::ClientError const& error) {
    failure = translated(error);
  }
  if (failure) throw *failure;
  auto completion = reader.finish(estimated);
  if (completion.model.empty()) completion.model = asked_model;
  co_return completion;
}

}  // namespace omnibus::llm
