#include "workers/cli/gdpr/text_forms.hpp"

#include <doctest/doctest.h>

using namespace omnibus::cli;

TEST_CASE("a text is found in each form in which it may be stored") {
  auto const forms = forms_of("Zoé \"the\" 👍 one");
  CHECK(form_in("x Zoé \"the\" 👍 one y", forms) == "raw");
  CHECK(form_in(R"({"text":"Zoé \"the\" 👍 one"})", forms) == "json");
  CHECK(form_in(R"({"text":"Zo\u00e9 \"the\" \ud83d\udc4d one"})", forms) == "json");
  CHECK(form_in(R"({"text":"Zo\u00E9 \"the\" \uD83D\uDC4D one"})", forms) == "json");
  CHECK(form_in("5a6fc3a92022746865222020f09f918d206f6e65", forms_of("Zoé \"the\"")) == "hex");
  CHECK(form_in("5A6FC3A920227468652220", forms_of("Zoé \"the\"")) == "hex");
  CHECK(!form_in("Zoe the one", forms));
}

TEST_CASE("a text is found in base64 wherever it begins") {
  auto const forms = forms_of("canary-7f3a");
  CHECK(form_in("Y2FuYXJ5LTdmM2E=", forms) == "base64");                  // canary-7f3a
  CHECK(form_in("eGNhbmFyeS03ZjNheA==", forms) == "base64");              // xcanary-7f3ax
  CHECK(form_in("eHhjYW5hcnktN2YzYXh4", forms) == "base64");              // xxcanary-7f3axx
  CHECK(form_in("eyJ0ZXh0IjoiY2FuYXJ5LTdmM2EifQ==", forms) == "base64");  // {"text":"canary-7f3a"}
  CHECK(!form_in("Y2FuYXJ5LThlNGI=", forms));                             // canary-8e4b
}

TEST_CASE("a text that would be found by chance is refused") {
  CHECK_THROWS(forms_of("anna"));
}
