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

TEST_CASE("the words that carriers and providers obey opt out, in the languages of tenants") {
  for (auto const* text : {"STOP",     "Stop.",      "REVOKE",       "revoke",
                           "OPTOUT",   "Opt out",    "OPT-OUT",      "opt_out",
                           "ARRÊT",                                                       // the case
                           "Remove",   "Optout!",    "STOP-ALL",     "Stop  promotions",  // AWS, WhatsApp
                           "ARRETE",   "arrête",     "Désabonner",   "DESINSCRIPTION",    // French
                           "BAJA",     "Cancelar",   "parar",        "ALTO",              // Spanish
                           "Sair",     "PARE",       "Descadastrar",                      // Portuguese
                           "Stopp",    "ABMELDEN",   "abbestellen",                       // German
                           "HAGARIKA", "Guhagarika",                                      // Kinyarwanda
                           "Acha",     "SITISHA"}) {                                      // Swahili
    CAPTURE(text);
    CHECK(keyword(text) == Keyword::stop);
  }
  for (auto const* text : {"Opt-In", "resubscribe", "Démarrer", "ALTA", "Começar", "Anmelden", "Tangira", "ANZA"}) {
    CAPTURE(text);
    CHECK(keyword(text) == Keyword::start);
  }
  for (auto const* text : {"Ayuda", "AJUDA", "Hilfe!", "Ubufasha", "msaada"}) {
    CAPTURE(text);
    CHECK(keyword(text) == Keyword::help);
  }
}

TEST_CASE("a question with such a word is for the model") {
  for (auto const* text :
       {"stop sending it to the old address please", "how do I opt out of the newsletter?",  // the case
        "please cancel my order", "quiero cancelar el pedido 17", "I want to remove an item",
        "Wie kann ich mich abmelden?", "comment me désabonner ?", "the end of the month", "[image]", "[voice message]",
        "[contact] Stop Shop, +250788123456"}) {
    CAPTURE(text);
    CHECK(keyword(text) == std::nullopt);
  }
}
