#include "messaging/keyword.hpp"

#include <string>

#include <doctest/doctest.h>

using omnibus::messaging::Keyword;
using omnibus::messaging::keyword;

TEST_CASE("a keyword is known however it is written") {
  for (auto const* text :
       {"STOP", "stop", " Stop. ", "STOP!!!", "“Stop”", "STOP 🛑", "Stop\n", "STOP ALL", "StopAll", "unsubscribe",
        "Cancel", "END", "quit", "ARRÊT", "arrêt", "Arret", "ARRE\xCC\x82T", "ＳＴＯＰ", "S.T.O.P."}) {
    CAPTURE(text);
    CHECK(keyword(text) == Keyword::stop);
  }
  for (auto const* text : {"START", "start.", "Unstop"}) CHECK(keyword(text) == Keyword::start);
  for (auto const* text : {"HELP", "help?", "Aide", "INFO", "?? info"}) CHECK(keyword(text) == Keyword::help);
  CHECK(name(Keyword::stop) == "STOP");
}

TEST_CASE("a keyword within a message is none") {
  for (auto const* text : {"", " ", "!", "stop calling me", "please stop", "Change price to 250k", "bus stop", "stop2",
                           "STOP 1", "YES", "yes?", "no", "helpful", "restart", "стоп", "\xFF\xFE"}) {
    CAPTURE(text);
    CHECK(keyword(text) == std::nullopt);
  }
  CHECK(keyword(std::string(1'000'000, '.') + "stop") == std::nullopt);
}
