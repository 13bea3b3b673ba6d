/// A model's answer under libFuzzer: what it is read as does not depend on how the bytes are cut, is well-formed, and
/// may be sent back and published. The first byte of the input is the size of the pieces. Built and run by
/// tests/fuzz/run.
#include "json/loose.hpp"
#include "json/members.hpp"
#include "json/utf8.hpp"
#include "llm/calls_in_text.hpp"
#include "llm/openai_wire.hpp"
#include "llm/provider_error.hpp"
#include "tests/common/llm/read_answer.hpp"
#include "tests/fuzz/must.hpp"
#include "text/words.hpp"

#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <string_view>

using namespace omnibus;
using namespace omnibus::llm;

namespace {

constexpr std::int64_t most_tokens = 1'000'000'000;
constexpr std::size_t max_frame = 4096;

test::ReadAnswer read(std::string_view body, std::size_t size) {
  std::vector<std::size_t> cuts;
  for (auto at = size; at < body.size(); at += size) cuts.push_back(at);
  return test::read_answer(body, cuts, max_frame);
}

void check(test::ReadAnswer const& answer) {
  for (auto const count : {answer.paid.input, answer.paid.output, answer.paid.cached, answer.paid.reasoning})
    must(count >= 0 && count <= most_tokens, "counts may be published");
  if (!answer.error.empty()) return;
  auto const& completion = answer.completion;
  must(json::is_utf8(completion.text) && completion.text.find('\0') == std::string::npos, "words are well-formed");
  std::set<std::string> ids;
  for (auto const& call : completion.tool_calls) {
    must(ids.insert(call.id).second && !call.id.empty() && !call.name.empty(),
         "a call has a name and an id of its own");
    must(json::is_utf8(call.arguments) && json::is_utf8(call.name), "a call is well-formed");
    must(json::is_object(call.arguments) || answer.oddities.has(Oddity::tool_arguments),
         "arguments are JSON, or marked");
  }
  ChatRequest request;
  request.messages = {{"assistant", completion.text, completion.tool_calls}};
  must(json::is_object(encode_request(request, "max_tokens")), "it can be sent back");
}

/// As of a request with tools, whose answer's text may have calls in it. Checks the answer without them first.
test::ReadAnswer with_calls_in_text(test::ReadAnswer answer) {
  if (!answer.error.empty()) return answer;
  auto& completion = answer.completion;
  must(has_words(completion.text) || !completion.tool_calls.empty(), "an answer says or does something");
  must(answer.said().ends_with(completion.text), "the pieces are the answer, behind thoughts without an opening tag");
  ChatRequest request;
  request.tools = {{"f", {}, {}}, {"g", {}, {}}};
  take_calls_in_text(completion, OfferedTools(request), 2);
  answer.oddities = completion.oddities;
  return answer;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  if (size == 0) return 0;
  auto const piece = static_cast<std::size_t>(bytes[0] % 32) + 1;
  std::string_view const text(reinterpret_cast<char const*>(bytes) + 1, size - 1);
  auto const whole = read(text, text.size() + 1);
  check(whole);
  check(with_calls_in_text(whole));
  must(read(text, piece).summary() == whole.summary(), "an answer does not depend on how the bytes are cut");
  for (auto const status : {0, 400, 429, 500}) error_from(status, text, {});
  must(!json::is_object(text) || json::is_loose_object(text), "what is JSON is read");
  return 0;
}
