#include "text/base64.hpp"

#include <doctest/doctest.h>

using namespace omnibus;

TEST_CASE("base64 is decoded strictly") {
  CHECK(decode_base64("") == "");
  CHECK(decode_base64("TQ==") == "M");
  CHECK(decode_base64("TWE=") == "Ma");
  CHECK(decode_base64("TWFu") == "Man");
  CHECK(decode_base64("//79") == "\xFF\xFE\xFD");
  for (auto const* text : {"T", "TQ", "TQ=", "TR==", "T===", "====", "TWF\n", "TW=u", "TWFu=", "-_79"})
    CHECK_MESSAGE(!decode_base64(text), text);
}
