#include "llm/openai_client.hpp"

#include "http/retry_after.hpp"
#include "llm/answer_reader.hpp"
#include "llm/calls_in_text.hpp"
#include "llm/openai_wire.hpp"
#include "llm/provider_error.hpp"

#include <memory>
#include <stdexcept>
#include <utility>

namespace omnibus::llm {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = LlmError::Kind;

constexpr std::size_t max_error_bytes = 64 * 1024;

/// What else may follow is waited for this long: usage behind the ending, the end of the body behind all of it.
constexpr std::chrono::milliseconds time_for_usage{1000};
constexpr std::chrono::milliseconds time_to_end{50};
constexpr std::chrono::milliseconds time_for_error{2000};

/// Reads the answer as it arrives. Small until then: thousands of requests may wait.
class AnswerResponse final : public http::ResponseReader {
 public:
  AnswerResponse(ChatRequest const& request, std::size_t max_bytes, DeltaSink sink)
      : max_bytes_(max_bytes),
        estimated_input_(estimate_input(request)),
        messages_(request.messages.size()),
        tools_(request),
        asked_model_(request.model),
        begun_(Clock::now()),
        sink_(std::move(sink)) {}

  void head(http::ResponseHead const& head) override {
    status_ = head.status();
    if (is_answer()) {
      auto const type = head.find("content-type").value_or("");
      claims_events_ = http::equals_ignoring_case(type.substr(0, events_type.size()), events_type);
      // Where the text may have calls in it, it is only passed on when all of it is there.
      auto sink = tools_.are_known ? DeltaSink{} : std::exchange(sink_, {});
      reader_ = std::make_unique<AnswerReader>(estimated_input_, messages_, max_bytes_, std::move(sink));
      return;
    }
    error_ = std::make_unique<Refusal>();
    error_->retry_after = http::parse_retry_after(head.find("retry-after-ms"), head.find("retry-after"),
                                                  std::chrono::system_clock::now());
    enough_at_ = Clock::now() + time_for_error;
  }

  bool body(std::string_view piece) override {
    if (!is_answer()) {
      // Only enough for an error message is read.
      auto& body = error_->body;
      auto const enough = body.size() + piece.size() > max_error_bytes;
      body.append(piece.substr(0, enough ? max_error_bytes - body.size() : piece.size()));
      return !enough;
    }
    auto const now = Clock::now();
    last_piece_ = now;
    auto const frames = reader_->frames();
    auto const goes_on = reader_->take(piece);
    if (reader_->frames() == frames) return goes_on;
    if (!first_piece_ && reader_->has_begun() && reader_->form() == AnswerFrames::Form::events)
      first_piece_ = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_);
    enough_at_.reset();  // it may have gone on
    if (reader_->has_ended()) enough_at_ = now + (reader_->is_done() ? time_to_end : time_for_usage);
    return goes_on;
  }

  std::optional<Clock::time_point> enough_at() const override { return enough_at_; }

  /// Whether finish() has what it needs, however the response ended.
  bool is_enough() const { return is_answer() ? reader_->has_ended() : status_ != 0; }
  /// @throws LlmError unless the answer is complete.
  ChatCompletion finish() {
    if (!is_answer()) throw error_from(status_, error_->body, error_->retry_after);
    auto completion = reader_->finish();
    take_calls_in_text(completion, tools_, messages_);
    if (sink_ && !completion.text.empty()) sink_(completion.text);
    completion.ttft = first_piece_;
    auto const now = Clock::now();
    completion.duration = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_);
    if (completion.model.empty()) completion.model = asked_model_;
    if (claims_events_ != (reader_->form() == AnswerFrames::Form::events)) completion.oddities.add(Oddity::label);
    if (enough_at_ && now >= *enough_at_) completion.oddities.add(Oddity::left_open);
    return completion;
  }
  /// Whether some of an answer has come, which may be paid for.
  bool has_begun() const { return is_answer() && last_piece_; }
  /// The error of a response that broke off, with what had come of the answer.
  LlmError failure(LlmError const& error, Oddity oddity) const {
    return has_begun() ? reader_->failure(error, oddity) : error;
  }
  /// How an answer without an end failed: it fell silent, or is too long.
  Oddity oddity_at_deadline() const {
    auto const now = Clock::now();
    auto const last = last_piece_.value_or(begun_);
    return now - last >= last - begun_ ? Oddity::silent : Oddity::endless;
  }

 private:
  struct Refusal {
    std::string body;
    std::optional<std::chrono::milliseconds> retry_after;
  };
  static constexpr std::string_view events_type = "text/event-stream";

  bool is_answer() const { return status_ >= 200 && status_ < 300; }

  int status_ = 0;
  bool claims_events_ = false;
  std::size_t max_bytes_;
  std::int64_t estimated_input_;
  std::size_t messages_;
  OfferedTools tools_;
  std::string asked_model_;
  Clock::time_point begun_;
  std::optional<Clock::time_point> enough_at_;
  std::optional<std::chrono::milliseconds> first_piece_;
  std::optional<Clock::time_point> last_piece_;  // of the body
  DeltaSink sink_;
  std::unique_ptr<AnswerReader> reader_;  // of an answer
  std::unique_ptr<Refusal> error_;        // of an error
};

LlmError translated(http::ClientError const& error, AnswerResponse const& response) {
  using From = http::ClientError::Kind;
  switch (error.kind()) {
    case From::timeout:
      if (!error.sent()) return LlmError(Kind::timeout, error.what()).unsent();
      return response.failure(LlmError(Kind::timeout, error.what()), response.oddity_at_deadline());
    case From::too_large:
      return response.failure(LlmError(Kind::protocol, error.what()), Oddity::too_large);
    case From::protocol:
      return response.failure(LlmError(Kind::protocol, error.what()), Oddity::cut);
    case From::connect:
    case From::closed:
    case From::cancelled:
      break;
  }
  auto const kind = response.has_begun() ? Kind::protocol : Kind::unavailable;
  return response.failure(LlmError(kind, error.what()), Oddity::cut);
}

http::Url url_of(OpenAiSettings const& settings) {
  auto const slash = settings.base_url.find_last_not_of('/');
  auto url = http::parse_url(settings.base_url.substr(0, slash + 1) + "/chat/completions");
  if (!url) throw std::invalid_argument("not an http(s) address: set LLM_BASE_URL");
  return std::move(*url);
}

http::Headers headers_of(OpenAiSettings const& settings, std::string_view accepted) {
  http::Headers headers{{"Content-Type", "application/json"}, {"Accept", std::string(accepted)}};
  if (!settings.api_key.empty()) headers.add("Authorization", "Bearer " + settings.api_key);
  return headers;
}

Task<ChatCompletion> read_answer(Task<> sending, std::unique_ptr<AnswerResponse> response) {
  try {
    co_await std::move(sending);
  } catch (http::ClientError const& error) {
    if (!response->is_enough()) throw translated(error, *response);
  }
  co_return response->finish();
}

}  // namespace

OpenAiClient::OpenAiClient(http::Client& client, OpenAiSettings settings)
    : client_(client),
      settings_(std::move(settings)),
      url_(url_of(settings_)),
      whole_(client, url_, headers_of(settings_, "application/json")),
      streamed_(client, url_, headers_of(settings_, "text/event-stream")) {}

// Not a coroutine: nothing of the request is kept while it waits for the answer.
Task<ChatCompletion> OpenAiClient::complete(ChatRequest request, DeltaSink sink) {
  auto response = std::make_unique<AnswerResponse>(request, settings_.max_response_bytes, std::move(sink));
  http::PostRequest call(request.stream ? streamed_ : whole_, request_bytes(request));
  append_request(call.body(), request, settings_.max_tokens_field);
  auto sending = client_.send(std::move(call), request.deadline, settings_.max_response_bytes, *response);
  return read_answer(std::move(sending), std::move(response));
}

}  // namespace omnibus::llm
