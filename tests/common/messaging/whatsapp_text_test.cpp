#include "messaging/whatsapp_text.hpp"

#include "messaging/unicode.hpp"

#include <algorithm>

#include <doctest/doctest.h>

using namespace omnibus::messaging;

namespace {

std::string rich(std::string_view body) {
  return whatsapp_text("reply", body);
}

std::string times(std::size_t count, std::string_view text) {
  std::string all;
  while (count-- > 0) all += text;
  return all;
}

}  // namespace

TEST_CASE("Markdown becomes WhatsApp's marks") {
  CHECK(rich("**bold** *italic* _italic_ ~~gone~~ `code`") == "*bold* _italic_ _italic_ ~gone~ `code`");
  CHECK(rich("# Summary of **your** call\n\ntext") == "*Summary of your call*\n\ntext");
  CHECK(rich("- one\n* two\n1. three\n  - four") == "• one\n• two\n1. three\n  • four");
  CHECK(rich("[shop](https://shop.example)") == "shop (https://shop.example)");
  CHECK(rich("**[shop](https://shop.example)**") == "*shop (https://shop.example)*");
  CHECK(rich("```js\nlet x = 1;\nlet y;\n```") == "```let x = 1;\nlet y;```");
  CHECK(rich("**bold\nand _both_\n**") == "**bold\nand _both_\n**");
  CHECK(rich("**bold\nand _both\nof_ them**") == "*bold*\n*and _both_*\n*_of_ them*");
  CHECK(rich("**a **b** c** # no heading") == "*a b c* # no heading");
  CHECK(rich("2*3*4 snake_case “quoted” été 😀") == "2*3*4 snake_case “quoted” été 😀");
}

TEST_CASE("each kind of notification has its emoji") {
  CHECK(whatsapp_text("call_summary", "# Your call\nIt went well.") == "📞 *Your call*\nIt went well.");
  CHECK(whatsapp_text("message", "hi") == "📣 hi");
  CHECK(whatsapp_text("opt_out", "hi") == "🔕 hi");
  CHECK(whatsapp_text("opt_in", "hi") == "🔔 hi");
  CHECK(whatsapp_text("help", "hi") == "💡 hi");
  CHECK(whatsapp_text("reply", "hi") == "hi");
  CHECK(whatsapp_text("unknown", "hi") == "hi");
}

TEST_CASE("a text of 4096 units stays whole, a longer one ends with an ellipsis") {
  CHECK(rich(times(4096, "a")) == times(4096, "a"));
  CHECK(rich(times(4097, "a")) == times(4095, "a") + "…");
  CHECK(rich(times(2048, "😀")) == times(2048, "😀"));
  CHECK(rich(times(2049, "😀")) == times(2047, "😀") + "…");
  CHECK(rich(times(1000, "some words ")).ends_with(" some words…"));
}

TEST_CASE("marks that are open at the cut are closed there") {
  auto const text = rich("**" + times(800, "bold ") + "_" + times(800, "italic ") + "x_**");
  CHECK(text.starts_with("*bold"));
  CHECK(text.ends_with("italic…_*"));
  CHECK(to_utf16(text).size() <= whatsapp_max_text);
  for (std::size_t before = 4080; before < 4100; ++before) {
    auto const cut = rich(times(before, "a") + " **b** _c_ ```d``` `e` **ff _gg_** " + times(100, "h"));
    CAPTURE(cut.substr(4070));
    CHECK(to_utf16(cut).size() <= whatsapp_max_text);
    for (auto const mark : {'*', '_', '`'}) CHECK(std::ranges::count(cut, mark) % 2 == 0);
  }
}

TEST_CASE("a template's parameter is one line without runs of blanks") {
  CHECK(whatsapp_template_parameter("# Call\n\n* **Price**:\t250k    a month\r\n* tomorrow ") ==
        "Call • Price: 250k a month • tomorrow");
  CHECK(whatsapp_template_parameter(times(1024, "a")) == times(1024, "a"));
  CHECK(whatsapp_template_parameter(times(1025, "a")) == times(1023, "a") + "…");
  CHECK(whatsapp_template_parameter("some longer words", 12) == "some longer…");
  CHECK(whatsapp_template_parameter("words", 0).empty());
  CHECK(whatsapp_template_parameter(" \n").empty());
}

TEST_CASE("hostile bodies fit") {
  for (auto const* pattern :
       {"**a ", "[x](https://a.example) ", "`", "\xFF", "- \n", "_*~", "e\xCC\x81", "\xE2\x80\x8D"}) {
    CAPTURE(pattern);
    auto const body = times(100'000, pattern);
    CHECK(to_utf16(rich(body)).size() <= whatsapp_max_text);
    CHECK(to_utf16(whatsapp_template_parameter(body)).size() <= whatsapp_max_template_body);
  }
}
