#include "compose/simulator/oddities/builders.hpp"
#include "http/sse.hpp"

#include <chrono>
#include <ctime>
#include <string>

#include <boost/json.hpp>

namespace omnibus::simulator::odd {
namespace {

namespace json = boost::json;

OddReply refused(int status, std::string body, http::Headers headers = json_headers()) {
  OddReply reply{status, std::move(headers), std::move(body)};
  reply.answered = false;
  return reply;
}

OddReply rate_limited(char const* header, std::string value) {
  auto reply = refused(429, R"({"error":{"message":"slow down","type":"rate_limit_error"}})");
  reply.headers.add(header, std::move(value));
  return reply;
}

OddReply page(int status, std::string_view title) {
  auto const text = "<!DOCTYPE html>\n<html><head><title>" + std::string(title) + "</title></head><body></body></html>";
  return refused(status, text, {{"Content-Type", "text/html; charset=UTF-8"}});
}

/// A stream with the first half of the answer's words and then this, which is no event yet.
std::optional<OddReply> broken_off(UsualAnswer const& usual, std::string_view end) {
  if (!usual.stream) return std::nullopt;
  OddReply reply{200, event_stream_headers(), {}};
  auto const documents = documents_of(usual);
  for (std::size_t i = 0; i < documents.size() / 2; ++i)
    http::append_sse_event(reply.body, {}, json::serialize(documents[i]));
  reply.body += end;
  reply.answered = false;
  return reply;
}

/// The same with a last chunk that has these members besides and the finish reason error.
std::optional<OddReply> finished_by_error(UsualAnswer const& usual, json::value const& error, bool in_choice) {
  auto document = usual.stream ? documents_of(usual).front() : answer_document(usual.answer);
  auto& choice = *choice_of(document);
  choice["finish_reason"] = "error";
  (*part_of(document))["content"] = "";
  part_of(document)->erase("tool_calls");
  (in_choice ? choice : document)["error"] = error;
  auto const text = json::serialize(document);
  if (!usual.stream) return refused(200, text);
  return broken_off(usual, "data: " + text + "\n\ndata: [DONE]\n\n");
}

constexpr std::string_view too_long =
    R"({"code":400,"message":"request (5210 tokens) exceeds the available context size (4096 tokens), try increasing )"
    R"(it","type":"exceed_context_size_error","n_prompt_tokens":5210,"n_ctx":4096})";

std::string in_error(std::string_view object) {
  return "{\"error\":" + std::string(object) + "}";
}

json::value provider_disconnected() {
  return {{"code", 502}, {"message", "Provider disconnected"}, {"metadata", {{"error_type", "provider_unavailable"}}}};
}

}  // namespace

std::optional<OddReply> come_back_tomorrow(UsualAnswer const&) {
  return rate_limited("Retry-After", "86400");
}

std::optional<OddReply> retry_after_a_date(UsualAnswer const&) {
  auto const later = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now() + std::chrono::seconds(30));
  std::tm parts{};
  gmtime_r(&later, &parts);
  char text[40];
  auto const length = std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return rate_limited("Retry-After", {text, length});
}

std::optional<OddReply> retry_after_ms(UsualAnswer const&) {
  return rate_limited("retry-after-ms", "1500");
}

std::optional<OddReply> context_size_in_other_words(UsualAnswer const&) {
  return refused(400, in_error(too_long));
}

std::optional<OddReply> error_at_the_top(UsualAnswer const&) {
  return refused(400,
                 R"({"object":"error","message":"This model's maximum context length is 4096 tokens. However, you )"
                 R"(requested 5210 tokens in the messages.","type":"BadRequestError","param":null,"code":400})");
}

std::optional<OddReply> error_in_a_list(UsualAnswer const&) {
  return refused(400,
                 R"([{"error":{"code":400,"message":"The input token count (1200000) exceeds the maximum number of )"
                 R"(tokens allowed (1048576).","status":"INVALID_ARGUMENT"}}])");
}

std::optional<OddReply> error_as_text(UsualAnswer const&) {
  return refused(404, R"({"error":"model 'omnibus' not found, try pulling it first"})");
}

std::optional<OddReply> error_as_detail(UsualAnswer const&) {
  return refused(422, R"({"detail":[{"type":"extra_forbidden","loc":["body","seed"],"msg":"Extra inputs are not )"
                      R"(permitted","input":7}]})");
}

std::optional<OddReply> error_with_200(UsualAnswer const&) {
  return refused(200, R"({"error":{"message":"Rate limit exceeded: free-models-per-min","code":429}})");
}

std::optional<OddReply> error_in_base_resp(UsualAnswer const&) {
  return refused(
      200, R"({"id":"x","choices":null,"usage":null,"base_resp":{"status_code":1002,"status_msg":"rate limit"}})");
}

std::optional<OddReply> error_in_the_stream(UsualAnswer const& usual) {
  return broken_off(usual,
                    "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\",\"code\":null}}\n\n");
}

std::optional<OddReply> error_as_event(UsualAnswer const& usual) {
  return broken_off(
      usual, "event: error\ndata: {\"error\":{\"message\":\"Compute error.\"},\"message\":\"Compute error.\"}\n\n");
}

std::optional<OddReply> error_as_field(UsualAnswer const& usual) {
  if (!usual.stream) return std::nullopt;
  return refused(200, "error: " + std::string(too_long) + "\n\ndata: [DONE]\n\n", event_stream_headers());
}

std::optional<OddReply> error_without_frame(UsualAnswer const& usual) {
  if (!usual.stream) return std::nullopt;
  return refused(200, in_error(too_long), event_stream_headers());
}

std::optional<OddReply> error_as_finish(UsualAnswer const& usual) {
  return finished_by_error(usual, provider_disconnected(), false);
}

std::optional<OddReply> error_in_the_choice(UsualAnswer const& usual) {
  return finished_by_error(usual, provider_disconnected(), true);
}

std::optional<OddReply> filtered_prompt(UsualAnswer const&) {
  return refused(400, R"({"error":{"message":"The response was filtered.","type":null,"param":"prompt","code":)"
                      R"("content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation"}}})");
}

std::optional<OddReply> tool_use_failed(UsualAnswer const& usual) {
  if (usual.answer.calls.empty()) return std::nullopt;
  constexpr auto body = R"({"error":{"message":"Failed to call a function.","type":"invalid_request_error",)"
                        R"("code":"tool_use_failed","failed_generation":"<function=f>","status_code":400}})";
  if (!usual.stream) return refused(400, body);
  return refused(200, "event: error\ndata: " + std::string(body) + "\n\n", event_stream_headers());
}

std::optional<OddReply> overloaded_529(UsualAnswer const&) {
  return refused(529,
                 R"({"type":"error","error":{"type":"overloaded_error","message":"Overloaded"},"request_id":"req_1"})");
}

std::optional<OddReply> quota_with_429(UsualAnswer const&) {
  return refused(429, error_body("You exceeded your current quota.", "insufficient_quota", {}, "insufficient_quota"));
}

std::optional<OddReply> payment_required(UsualAnswer const&) {
  return refused(402, error_body("Insufficient Balance", "unknown_error", {}, "invalid_request_error"));
}

std::optional<OddReply> html_with_200(UsualAnswer const&) {
  return page(200, "Just a moment...");
}

std::optional<OddReply> html_with_502(UsualAnswer const&) {
  return page(502, "502 Bad Gateway");
}

std::optional<OddReply> empty_with_200(UsualAnswer const&) {
  return refused(200, {});
}

std::optional<OddReply> no_choices(UsualAnswer const& usual) {
  auto document = answer_document(usual.answer);
  document["choices"] = json::array{};
  if (!usual.stream) return refused(200, json::serialize(document));
  document["object"] = "chat.completion.chunk";
  return refused(200, "data: " + json::serialize(document) + "\n\ndata: [DONE]\n\n", event_stream_headers());
}

}  // namespace omnibus::simulator::odd
