#include "bare_sockets.hpp"

#include "bench_request.hpp"
#include "llm/openai_wire.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::bench;

TEST_CASE("the limit sends the same bytes as our client") {
  CHECK(bare_request_body() == llm::encode_request(bench_request(), "max_completion_tokens"));
}
