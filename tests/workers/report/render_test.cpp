// Reports as text and HTML.
#include "workers/report/render.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::report;

namespace {

ReportContent some_content() {
  ReportedOutcome outcome;
  outcome.other = "bob";
  outcome.speaker = "agent_a";
  outcome.outcome = "STRONG_MATCH";
  outcome.summary = "They agree to test two joints.";
  outcome.steps = {{"Test two joints.", "high", "in March"}};
  outcome.follow_up = true;
  outcome.timeframe = "within two weeks";
  return {"ann", "2026-11-29", {outcome}};
}

bool holds(std::string const& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

}  // namespace

TEST_CASE("a report names the other person, the outcome, the steps and when to meet") {
  CHECK(render_text(some_content()) ==
        "Hello ann,\n\nYour agent held one conversation.\n\nWith bob: a strong match\nThey agree to test two joints.\n"
        "In it, agent_a spoke for you.\n- Test two joints. (high, in March)\nYou two should meet: within two weeks\n");
  auto const html = render_html(some_content());
  CHECK(holds(html, "<title>Report of 2026-11-29</title>"));
  CHECK(holds(html, "<h2>With bob: a strong match</h2>"));
  CHECK(holds(html, "<li>Test two joints. (high, in March)</li>"));
}

TEST_CASE("a report without anything new says so") {
  CHECK(render_text({"ann", "2026-11-29", {}}) ==
        "Hello ann,\n\nYour agent held no conversation since your last report.\n");
}

TEST_CASE("what people and models wrote is escaped in HTML") {
  auto content = some_content();
  auto& outcome = content.outcomes[0];
  std::string const hostile = "<script>alert(\"1\")</script> & '<img src=x>'";
  content.handle = outcome.other = outcome.summary = outcome.speaker = outcome.steps[0].step =
      outcome.steps[0].priority = outcome.steps[0].timeline = hostile;
  outcome.timeframe = hostile;
  auto const html = render_html(content);
  CHECK_FALSE(holds(html, "<script"));
  CHECK_FALSE(holds(html, "<img"));
  CHECK(holds(html, "&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt; &amp; &#39;&lt;img src=x&gt;&#39;"));
}

TEST_CASE("a handle or a step is one line, and no text has control characters") {
  auto content = some_content();
  content.outcomes[0].other = "Eve\r\nBcc: x@example.org";
  content.outcomes[0].steps[0].step = "one\ntwo";
  content.outcomes[0].summary = std::string{"a\r\n.\r\nb\x1b[31m"} + '\x7f';
  auto const text = render_text(content);
  CHECK(holds(text, "With Eve  Bcc: x@example.org: a strong match\n"));
  CHECK(holds(text, "- one two ("));
  CHECK(holds(text, "a \n. \nb [31m"));
  for (auto const c : text) CHECK((c == '\n' || static_cast<unsigned char>(c) >= 0x20));
}
