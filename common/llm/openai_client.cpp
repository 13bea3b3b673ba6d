#include "llm/openai_client.hpp"

#include "http/retry_after.hpp"
#include "http/sse.hpp"
#include "llm/openai_wire.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

namespace omnibus::llm {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = LlmError::Kind;

constexpr std::size_t max_error_bytes = 64 * 1024;

/// Assembles the answer as it arrives. Small until then: thousands of requests may wait.
class AnswerReader final : public http::ResponseReader {
 public:
  AnswerReader(ChatRequest const& request, std::size_t max_bytes, DeltaSink sink)
      : stream_(request.stream),
        max_bytes_(max_bytes),
        estimated_input_(estimate_input(request)),
        asked_model_(request.model),
        begun_(Clock::now()),
        sink_(std::move(sink)) {}

  void head(http::ResponseHead const& head) override {
    status_ = head.status();
    auto const type = head.find("content-type").value_or("");
    auto const is = [&](std::string_view wanted) {
      return http::equals_ignoring_case(type.substr(0, wanted.size()), wanted);
    };
    streaming_ = status_ == 200 && stream_ && is("text/event-stream");
    fitting_ = streaming_ || (status_ == 200 && !stream_ && is("application/json"));
    answer_ = std::make_unique<Answer>(max_bytes_);
    if (status_ == 200) return;
    answer_->retry_after = http::parse_retry_after(head.find("retry-after-ms"), head.find("retry-after"),
                                                   std::chrono::system_clock::now());
  }

  bool body(std::string_view piece) override {
    if (!streaming_) {
      // Of an unusable answer, only enough for an error message is read.
      auto& body = answer_->body;
      auto const enough = !fitting_ && body.size() + piece.size() > max_error_bytes;
      body.append(piece.substr(0, enough ? max_error_bytes - body.size() : piece.size()));
      return !enough;
    }
    while (true) {
      switch (answer_->events.next(piece)) {
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

  /// For a response that is complete. @throws LlmError unless the answer is complete, too.
  ChatCompletion finish() {
    auto& [events, assembler, body, first_piece, retry_after] = *answer_;
    if (status_ != 200) throw error_from(status_, body, retry_after);
    if (streaming_) {
      if (!done_ && !assembler.finished()) throw LlmError(Kind::protocol, "the stream ended before the answer did");
    } else if (fitting_) {
      assembler.take_whole(body);
    } else {
      if (body.find("\"error\"") != std::string::npos) throw error_from(0, body, {});
      throw LlmError(Kind::protocol, "the answer has the wrong content type");
    }
    auto completion = assembler.finish(estimated_input_);
    completion.ttft = first_piece;
    completion.duration = elapsed();
    if (completion.model.empty()) completion.model = asked_model_;
    return completion;
  }

 private:
  struct Answer {
    explicit Answer(std::size_t max_bytes) : events({max_bytes, max_bytes}) {}
    http::SseParser events;
    AnswerAssembler assembler;
    std::string body;
    std::optional<std::chrono::milliseconds> first_piece;
    std::optional<std::chrono::milliseconds> retry_after;
  };

  void take_event() {
    if (done_) return;
    auto const data = answer_->events.data();
    if (data == "[DONE]") {
      done_ = true;
      return;
    }
    auto const piece = answer_->assembler.take_chunk(data);
    if (answer_->assembler.begun() && !answer_->first_piece) answer_->first_piece = elapsed();
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
  std::size_t max_bytes_;
  std::int64_t estimated_input_;
  std::string asked_model_;
  Clock::time_point begun_;
  DeltaSink sink_;
  std::unique_ptr<Answer> answer_;
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

Task<ChatCompletion> read_answer(Task<> sending, std::unique_ptr<AnswerReader> reader) {
  try {
    co_await std::move(sending);
  } catch (http::ClientError const& error) {
    throw translated(error);
  }
  co_return reader->finish();
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

// Not a coroutine: nothing of the request is kept while it waits for the answer.
Task<ChatCompletion> OpenAiClient::complete(ChatRequest request, DeltaSink sink) {
  auto reader = std::make_unique<AnswerReader>(request, settings_.max_response_bytes, std::move(sink));
  auto sending = client_.send(encode(request), *reader);
  return read_answer(std::move(sending), std::move(reader));
}

}  // namespace omnibus::llm
