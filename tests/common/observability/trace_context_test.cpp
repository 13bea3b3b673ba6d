#include "observability/trace_context.hpp"

#include <doctest/doctest.h>

using omnibus::TraceContext;
using omnibus::TraceRandom;

namespace {
constexpr auto sample = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
}

TEST_CASE("a traceparent reads back as it was written") {
  auto const context = TraceContext::parse(sample);
  REQUIRE(context);
  CHECK(to_string(*context) == sample);
  CHECK(context->trace_id_text() == "4bf92f3577b34da6a3ce929d0e0e4736");
  CHECK(context->flags == 1);
}

TEST_CASE("anything but a strict version 00 traceparent is refused") {
  for (auto const* text : {
           "",
           "00",
           "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0g",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
           "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
           "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01",
           "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01",
       }) {
    CAPTURE(text);
    CHECK_FALSE(TraceContext::parse(text));
  }
}

TEST_CASE("a child is a new span of the same trace, and keeps its flags") {
  auto parent = *TraceContext::parse(sample);
  parent.flags = 0;
  auto const child = parent.child();
  CHECK(child.trace_id == parent.trace_id);
  CHECK(child.span_id != parent.span_id);
  CHECK(child.flags == 0);
}

TEST_CASE("a new trace is valid, sampled and repeats only with its generator") {
  TraceRandom first(7);
  TraceRandom same(7);
  auto const context = TraceContext::begin(first);
  CHECK(context == TraceContext::begin(same));
  CHECK(context.flags == 1);
  CHECK(TraceContext::parse(to_string(context)) == context);
  CHECK(TraceContext::begin().trace_id != TraceContext::begin().trace_id);
}
