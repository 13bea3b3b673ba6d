#include "llm/openai_wire.hpp"

#include <doctest/doctest.h>

namespace omnibus::llm {
TEST_CASE("a request says what was asked, escaped, and nothing else") {
  ChatRequest request;
  request.model = "m";
  request.messages = {{"system", "be \"brief\"\n"}, {"user", "hi"}};
  CHECK(encode_request(request, "max_completion_tokens") ==
        R"({"model":"m","messages":[{"role":"system","content":"be \"brief\"\n"},{"role":"user","content":"hi"}],)"
        R"("stream":true,"stream_options":{"include_usage":true}})");
  request.stream = false;
  request.max_tokens = 5;
  request.temperature = 0.5;
  request.seed = 7;
  request.tool_choice = "auto";
  request.tools = {{"find", "Finds.", R"({"type":"object"})"}};
  request.messages = {{"assistant", "", {{"c1", "find", "{}"}}, ""}, {"tool", "found", {}, "c1"}};
  CHECK(
      encode_request(request, "max_tokens") ==
      R"({"model":"m","messages":[{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function",)"
      R"("function":{"name":"find","arguments":"{}"}}]},{"role":"tool","content":"found","tool_call_id":"c1"}],)"
      R"("tools":[{"type":"function","function":{"name":"find","description":"Finds.","parameters":{"type":"object"}}}],)"
      R"("tool_choice":"auto","max_tokens":5,"temperature":0.5,"seed":7})");
}

}  // namespace omnibus::llm
