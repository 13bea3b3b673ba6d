#include "llm/provider_error.hpp"

#include <array>
#include <string>

#include <doctest/doctest.h>

namespace omnibus::llm {
namespace {

using Kind = LlmError::Kind;
using std::chrono::milliseconds;

Kind kind_of(int status, std::string_view body) {
  return error_from(status, body, {}).kind();
}

}  // namespace

TEST_CASE("errors are told apart by status, type and code, whatever their shape") {
  CHECK(kind_of(429, "") == Kind::rate_limited);
  CHECK(kind_of(429, R"({"error":{"type":"insufficient_quota","code":"insufficient_quota"}})") == Kind::quota);
  CHECK(kind_of(400, R"({"error":{"code":"context_length_exceeded"}})") == Kind::context_length);
  CHECK(kind_of(400, R"({"error":{"message":"This model's maximum context length is 8","code":400}})") ==
        Kind::context_length);
  CHECK(kind_of(400, R"({"error":{"code":"content_filter"}})") == Kind::content_filter);
  CHECK(kind_of(401, R"({"error":{"code":"invalid_api_key"}})") == Kind::invalid_request);
  CHECK(kind_of(404, "<html>") == Kind::invalid_request);
  CHECK(kind_of(422, R"({"error":"text"})") == Kind::invalid_request);
  CHECK(kind_of(408, "") == Kind::timeout);
  CHECK(kind_of(409, "") == Kind::unavailable);
  CHECK(kind_of(500, "\xff") == Kind::unavailable);
  CHECK(kind_of(503, "") == Kind::unavailable);
  CHECK(kind_of(302, "") == Kind::protocol);
  CHECK(error_from(429, "", milliseconds(5)).retry_after() == milliseconds(5));
}

TEST_CASE("an error's reason holds nothing that somebody wrote") {
  auto const error = error_from(
      400,
      R"({"error":{"message":"cannot answer: my card is 4111","type":"invalid_request_error","code":"bad value"}})",
      {});
  CHECK(std::string_view(error.what()) == "HTTP 400 invalid_request_error");
}

TEST_CASE("a number in an error is a status only if it is one of HTTP's") {
  CHECK(std::string_view(error_from(0, R"({"error":{"code":429}})", {}).what()) == "HTTP 429 429");
  CHECK(std::string_view(error_from(0, R"({"error":{"code":"1113"}})", {}).what()) == "error in the stream 1113");
  CHECK(std::string_view(error_from(0, R"({"error":{"code":"4xx"}})", {}).what()) == "error in the stream 4xx");
}

TEST_CASE("a prompt that is too long is recognised in the words of each server") {
  struct Said {
    int status;
    char const* body;
  };
  // Of public reports, the numbers changed.
  static constexpr std::array said{
      Said{
          400,
          R"({"error":{"message":"This model's maximum context length is 4097 tokens. However, your messages resulted in 5000 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}})"},
      Said{
          400,
          R"({"error":{"message":"Input tokens exceed the configured limit of 272000 tokens.","type":"invalid_request_error","code":null}})"},
      Said{
          429,
          R"({"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000. The input or output tokens must be reduced in order to run successfully.","type":"tokens","code":"rate_limit_exceeded"}})"},
      Said{
          400,
          R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you requested 5000 tokens.","type":"BadRequestError","param":null,"code":400})"},
      Said{
          400,
          R"({"object":"error","message":"The decoder prompt (length 5000) is longer than the maximum model length of 4096.","type":"BadRequestError","code":400})"},
      Said{
          400,
          R"({"error":{"code":400,"message":"request (5210 tokens) exceeds the available context size (4096 tokens), try increasing it","type":"exceed_context_size_error","n_prompt_tokens":5210,"n_ctx":4096}})"},
      Said{
          500,
          R"({"error":{"code":500,"message":"the request exceeds the available context size. try increasing the context size or enable context shift","type":"server_error"}})"},
      Said{500, R"({"error":"input length exceeds the context length"})"},
      Said{400, R"({"error":"prompt too long; exceeded max context length by 12 tokens"})"},
      Said{
          422,
          R"({"error":"Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 5000 `inputs` tokens and 512 `max_new_tokens`","error_type":"validation"})"},
      Said{
          422,
          R"({"error":"Input validation error: `inputs` must have less than 1024 tokens. Given: 1200","error_type":"validation"})"},
      Said{
          400,
          R"({"object":"error","message":"The input (5000 tokens) is longer than the model's context length (4096 tokens).","code":400})"},
      Said{
          400,
          R"({"error":"The number of tokens to keep from the initial prompt is greater than the context length. Try to load the model with a larger context length"})"},
      Said{
          400,
          R"({"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}})"},
      Said{
          400,
          R"({"error":{"message":"input length and `max_tokens` exceed context limit: 190000 + 21333 > 200000, decrease input length","type":"invalid_request_error"}})"},
      Said{413,
           R"({"type":"error","error":{"type":"request_too_large","message":"Request exceeds the maximum size"}})"},
      Said{400, R"({"message":"Input is too long for requested model."})"},
      Said{400, R"({"message":"Too many input tokens. Max input tokens: 128000, request input token count: 130000"})"},
      Said{
          400,
          R"([{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of tokens allowed (1048575).","status":"INVALID_ARGUMENT"}}])"},
      Said{
          400,
          R"({"object":"error","message":"Prompt contains 40000 tokens and 0 draft tokens, too large for model with 32768 maximum context length","type":"invalid_request_error","code":null})"},
      Said{
          400,
          R"({"error":{"message":"Please reduce the length of the messages or completion.","type":"invalid_request_error","code":"context_length_exceeded"}})"},
      Said{
          413,
          R"({"error":{"message":"Request too large for model `x` on tokens per minute (TPM): Limit 6000, Requested 7000, please reduce your message size and try again.","type":"tokens","code":"rate_limit_exceeded"}})"},
      Said{
          400,
          R"({"message":"too many tokens: total number of tokens in the prompt cannot exceed 4081 - received 4500."})"},
      Said{400, R"({"error":"This model's maximum prompt length is 131072 but the request contains 537812 tokens."})"},
      Said{
          400,
          R"({"error":{"message":"Invalid request: Your request exceeded model token limit: 8192","type":"invalid_request_error"}})"},
      Said{400, R"({"error":{"code":"1261","message":"Prompt exceeds max length"}})"},
      Said{400, R"({"error":{"message":"Range of input length should be [1, 30720]","type":"invalid_request_error"}})"},
      Said{
          413,
          R"({"error":{"code":"tokens_limit_reached","message":"Request body too large for gpt-4o model. Max size: 8000 tokens."}})"},
      Said{
          400,
          R"({"errors":[{"message":"AiError: The estimated number of input and maximum output tokens (9000) exceeded this model context window limit (8192).","code":5021}],"success":false})"},
      Said{
          400,
          R"({"error":{"message":"Provider returned error","code":400,"metadata":{"raw":"{\"error\":{\"message\":\"This endpoint's maximum context length is 131072 tokens.\"}}"}}})"},
      Said{
          400,
          R"({"error":{"message":"litellm.BadRequestError: litellm.ContextWindowExceededError: too long","type":null,"code":"400"}})"},
      Said{422, R"({"detail":[{"loc":["body"],"msg":"Prompt length (5000) exceeds maximum input length (4096)."}]})"},
      Said{500, "Internal: prompt is too long"},
      Said{0, R"({"error":{"message":"Reached context length of 4096 tokens with model"}})"},
  };
  for (auto const& each : said) {
    CAPTURE(each.body);
    CHECK(kind_of(each.status, each.body) == Kind::context_length);
    CHECK(kind_of(0, each.body) == Kind::context_length);
  }
}

TEST_CASE("what only sounds like it is something else") {
  CHECK(kind_of(429, R"({"message":"Too many tokens, please wait before trying again."})") == Kind::rate_limited);
  CHECK(
      kind_of(
          429,
          R"({"error":{"message":"Rate limit reached for model on tokens per day (TPD): Limit 100000, Used 99000, Requested 3000."}})") ==
      Kind::rate_limited);
  CHECK(
      kind_of(429, R"({"error":{"message":"This request would exceed your account's rate limit of input tokens"}})") ==
      Kind::rate_limited);
  CHECK(
      kind_of(
          400,
          R"({"error":{"message":"max_tokens is too large: 100000. This model supports at most 16384 completion tokens"}})") ==
      Kind::invalid_request);
  CHECK(kind_of(402, R"({"error":{"message":"Insufficient Balance"}})") == Kind::quota);
  CHECK(kind_of(400, "<html>context length</html>") == Kind::invalid_request);
}

TEST_CASE("errors nested without end are read to a depth") {
  std::string body;
  for (auto i = 0; i < 100'000; ++i) body += R"({"error":)";
  CHECK(kind_of(500, body) == Kind::unavailable);
  std::string packed = "x";
  for (auto i = 0; i < 12; ++i)
    packed = "{\"message\":" + std::string("\"") + [&] {
      std::string escaped;
      for (auto const c : packed) {
        if (c == '"' || c == '\\') escaped += '\\';
        escaped += c;
      }
      return escaped;
    }() + "\"}";
  CHECK(kind_of(400, packed) == Kind::invalid_request);
}

}  // namespace omnibus::llm
