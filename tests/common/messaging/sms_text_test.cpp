#include "messaging/sms_text.hpp"

#include "messaging/plain_text.hpp"

#include <chrono>

#include <doctest/doctest.h>

using namespace omnibus::messaging;

TEST_CASE("marks of Markdown and WhatsApp are stripped") {
  CHECK(plain_text("**Price** is *250k*, _not_ ~300k~ ~~400k~~") == "Price is 250k, not 300k 400k");
  CHECK(plain_text("***both*** and **bold _italic_ bold**") == "both and bold italic bold");
  CHECK(plain_text("# Summary\n\n## Next ##\ntext") == "Summary\n\nNext\ntext");
  CHECK(plain_text("use `x * y` and ```a_b_c```") == "use x * y and a_b_c");
  CHECK(plain_text("before\n```sh\nls *\n  -la\n```\nafter") == "before\nls *\n  -la\nafter");
  CHECK(plain_text("* one\n- two\n+ three\n1. four\n2) five\n  - six") ==
        "- one\n- two\n- three\n1. four\n2) five\n  - six");
  CHECK(plain_text("a\n\n\n\nb\n---\nc\n\n") == "a\n\nb\n\nc");
}

TEST_CASE("links keep their address where the text does not say it") {
  CHECK(plain_text("[the shop](https://shop.example/a?b=c_d)") == "the shop (https://shop.example/a?b=c_d)");
  CHECK(plain_text("[https://shop.example](https://shop.example)") == "https://shop.example");
  CHECK(plain_text("[shop.example](https://shop.example)") == "shop.example");
  CHECK(plain_text("<https://shop.example> [call](tel:+250788123456)") == "https://shop.example call (+250788123456)");
  CHECK(plain_text("![a photo](https://shop.example/1.jpg \"title\")") == "a photo (https://shop.example/1.jpg)");
  CHECK(plain_text("[**bold** text](https://shop.example)") == "bold text (https://shop.example)");
  CHECK(plain_text("[click](javascript:alert(1)) [x](/relative)") == "click x");
}

TEST_CASE("what only looks like marks stays") {
  for (auto const* text :
       {"2*3*4 = 24", "snake_case_name", "* not closed", "**not closed", "a * b * c", "[no link] (x)", "[no link](x",
        "#hashtag", "5 < 6 > 4", "a`b", "~10 minutes", "1.5 kg", "-5 degrees", "***", "x ** y", "![", "a]b(c)"}) {
    CAPTURE(text);
    auto const* const expected = std::string_view{text} == "***" ? "" : text;
    if (std::string_view{text} != "* not closed") CHECK(plain_text(text) == expected);
  }
  CHECK(plain_text("\\*stars\\* and \\_lines\\_") == "*stars* and _lines_");
}

TEST_CASE("marks that cross each other pair up as in CommonMark") {
  CHECK(plain_text("**a *b** c*") == "a b c");
  CHECK(plain_text("[a [b](https://b.example)") == "[a b (https://b.example)");
}

TEST_CASE("lines and blank lines stay where they were written") {
  CHECK(plain_text("one\ntwo  \nthree\n\n\nfour") == "one\ntwo\nthree\n\nfour");
  CHECK(plain_text("- one\n- two\n\n- three\n\n  more of it\n-\n- five") ==
        "- one\n- two\n\n- three\n\nmore of it\n- \n- five");
  CHECK(plain_text("7. seven\n1. eight\n   1) in it") == "7. seven\n8. eight\n   1) in it");
  CHECK(plain_text("> quoted\n> twice\n\n> - item\n\nafter") == "> quoted\n> twice\n\n> - item\n\nafter");
  CHECK(plain_text("a\n```\n\nb\n\n```\n```\n```\nc\n# \nd") == "a\n\nb\n\nc\n\nd");
}

TEST_CASE("what is no mark of CommonMark is text") {
  CHECK(plain_text("<b>bold</b> &amp; a*b*c `a*b*c` <!-- x -->") == "<b>bold</b> &amp; a*b*c a*b*c <!-- x -->");
  CHECK(plain_text("    four blanks\n\n| a | b |\n|---|---|") == "four blanks\n\n| a | b |\n|---|---|");
  CHECK(plain_text("[![alt](https://a.example/1.png)](https://b.example) ![](x)") == "alt (https://b.example) ");
  CHECK(plain_text("<mailto:a@b.example> <c@d.example>") == "a@b.example c@d.example");
}

TEST_CASE("an SMS is plain, in GSM-7 where it can be, and fits") {
  auto const sms = sms_text("## 📞 Résumé de l’appel\n\n* **Prix** : 250 000 F…\n* Rendez-vous “demain” ✅");
  CHECK(sms.text == "Résumé de l'appel\n\n- Prix : 250 000 F...\n- Rendez-vous \"demain\"");
  CHECK(sms.size.encoding == SmsEncoding::gsm7);
  CHECK(sms.size.parts == 1);
  CHECK_FALSE(sms.cut);
  CHECK(sms.replaced.size() == 6);
}

TEST_CASE("an SMS is cut to its parts") {
  std::string body;
  for (int i = 0; i < 200; ++i) body += "**word** ";
  auto const sms = sms_text(body);
  CHECK(sms.cut);
  CHECK(sms.size.parts == 3);
  CHECK(sms.text.ends_with("word..."));
  CHECK(sms_text(body, 1).size.parts == 1);
  CHECK(sms_text("السلام عليكم").size.encoding == SmsEncoding::ucs2);
}

TEST_CASE("a body with nothing to read gives an empty SMS") {
  for (auto const* body : {"", " \n\t ", "---", "\x01\x02", "```\n```"}) {
    CHECK(sms_text(body).text.empty());
    CHECK(sms_text(body).size.parts == 0);
  }
}

TEST_CASE("a hostile body costs no more than its length") {
  for (auto const* pattern : {"*a ",
                              "**",
                              "_*",
                              "[",
                              "](",
                              "`",
                              "``` ",
                              "\\",
                              "<https://",
                              "![a](",
                              "*a* _b",
                              "~",
                              "# ",
                              "\xF0\x9F\x91\xA8\xE2\x80\x8D",
                              "e\xCC\x81\xCC\x81",
                              "\xFF",
                              "\xCC\x81",
                              "\n",
                              ">",
                              "- ",
                              "1. ",
                              "[a]: b\n",
                              "![![a](",
                              "> \n",
                              "*a_b\n"}) {
    CAPTURE(pattern);
    std::string body;
    while (body.size() < 1'000'000) body += pattern;
    auto const begun = std::chrono::steady_clock::now();
    auto const sms = sms_text(body);
    CHECK(sms.size.parts <= 3);
    // Under the sanitizers on a busy machine; what grows with the square would take minutes.
    CHECK(std::chrono::steady_clock::now() - begun < std::chrono::seconds{5});
  }
}
