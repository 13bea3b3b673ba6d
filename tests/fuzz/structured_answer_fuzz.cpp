/// A model's structured answer under libFuzzer: what is accepted has its form exactly, and is accepted again unchanged.
/// Built and run by tests/fuzz/run.
#include "assistant/structured_text.hpp"
#include "json/members.hpp"
#include "json/repair.hpp"
#include "tests/fuzz/must.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>

using namespace omnibus;
using namespace omnibus::assistant;

namespace {

AnswerShape const& shape() {
  static auto const read = read_shape(R"({"type":"object","additionalProperties":false,"required":["o","s","n","l"],
    "properties":{"o":{"type":"string","enum":["STRONG_MATCH","hidden_asset"]},
                  "s":{"type":"number","minimum":0,"maximum":1},"n":{"type":["integer","null"]},
                  "l":{"type":"array","maxItems":3,"uniqueItems":true,"items":{"type":"object",
                    "additionalProperties":false,"required":["t","b"],"properties":{
                    "t":{"type":"string","minLength":1,"maxLength":9},"b":{"type":"boolean"}}}}}})");
  return read;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* bytes, std::size_t size) {
  auto const text = json::repaired_text({reinterpret_cast<char const*>(bytes), size});  // as answers are
  auto const accept = [](std::string const&) { return std::nullopt; };
  auto const answer = read_structured("stop", text, shape(), accept);
  must(answer.document.empty() != answer.wrong.empty(), "there is an answer, or a reason");
  must(read_structured("length", text, shape(), accept).document.empty(), "a cut answer is none");
  try {
    read_shape(text);
  } catch (std::invalid_argument const&) {  // what most texts are
  }
  if (answer.document.empty()) return 0;
  must(json::is_object(answer.document), "an answer is JSON");
  must(*fit(shape(), answer.document) == answer.document, "an answer has its form exactly");
  must(read_structured("stop", "Here:\n" + answer.document + "\n.", shape(), accept).document == answer.document,
       "what stands around does not matter");
  return 0;
}
