#include "workers/gateway/routes/transcript_route.hpp"

#include "json/encode.hpp"
#include "workers/gateway/door/refusal.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>
#include <utility>

namespace omnibus::gateway {
namespace {

constexpr std::int64_t usual_limit = 500;
constexpr std::int64_t highest_limit = 1000;

std::int64_t read_number(http::Request const& request, std::string_view name, std::int64_t otherwise,
                         std::int64_t least) {
  auto const text = request.query_value(name);
  if (!text) return otherwise;
  std::int64_t number = 0;
  auto const end = text->data() + text->size();
  auto const [last, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc() || last != end || number < least)
    throw Refusal::invalid(std::string(name), "It must be a whole number of at least " + std::to_string(least));
  return number;
}

}  // namespace

Uuid conversation_of(http::Request const& request) {
  auto const id = parse_uuid(request.parameter("id"));
  if (!id) throw Refusal::no_conversation();
  return *id;
}

Task<http::Response> TranscriptRoute::get(http::Request const& request) {
  auto admission = admission_.admit(request, needs);
  auto const principal = co_await std::move(admission);
  auto const id = conversation_of(request);
  auto const after_seq = read_number(request, "after_seq", 0, 0);
  auto const limit = std::min(read_number(request, "limit", usual_limit, 1), highest_limit);
  auto const unseen_from = recent_.next_sequence();
  auto const scope = principal.in(domain_of(principal, request));
  auto lookup = store_.transcript(scope, id, after_seq, limit);
  auto const transcript = co_await std::move(lookup);
  if (!transcript) throw Refusal::no_conversation();
  auto logging = access_log_.read_by_person(scope, request, id);
  co_await std::move(logging);
  // A client that has read the answer here does not need it again from the next stream.
  auto const& messages = transcript->messages;
  if (!transcript->next_after_seq && !messages.empty() && messages.back().role == "assistant")
    unseen_.seen(id, unseen_from);
  co_return http::json_response(200, json::encode(*transcript));
}

}  // namespace omnibus::gateway
