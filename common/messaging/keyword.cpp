#include "messaging/keyword.hpp"

#include "messaging/unicode.hpp"

#include <algorithm>
#include <span>
#include <string>

namespace omnibus::messaging {
namespace {

constexpr std::size_t max_message = 128;

// As `letters` writes them: "opt out", OPT-OUT and OptOut are one.
constexpr std::u16string_view stops[] = {
    // English, as carriers in North America, Twilio and AWS obey it
    u"stop", u"stopall", u"unsubscribe", u"cancel", u"end", u"quit", u"revoke", u"optout", u"remove",
    // the button of WhatsApp's marketing templates
    u"stoppromotions",
    // French
    u"arret", u"arrete", u"arreter", u"arrett", u"desabonner", u"desabonnement", u"desinscrire", u"desinscription",
    // Spanish
    u"baja", u"darsedebaja", u"darmedebaja", u"cancelar", u"detener", u"alto", u"parar",
    // Portuguese
    u"sair", u"pare", u"descadastrar", u"cancelarinscricao",
    // German
    u"stopp", u"abmelden", u"abbestellen", u"austragen",
    // Kinyarwanda
    u"hagarika", u"guhagarika", u"kuvamo",
    // Swahili
    u"acha", u"sitisha", u"jiondoe", u"komesha"};

constexpr std::u16string_view starts[] = {u"start",     u"unstop",      u"optin",
                                          u"subscribe", u"resubscribe",              // English
                                          u"demarrer",  u"reprendre",   u"abonner",  // French
                                          u"alta",      u"comenzar",    u"iniciar",  // Spanish, Portuguese
                                          u"comecar",                                // Portuguese
                                          u"starten",   u"anmelden",                 // German
                                          u"tangira",   u"gutangira",                // Kinyarwanda
                                          u"anza"};                                  // Swahili

constexpr std::u16string_view helps[] = {
    u"help",     u"info",              // English
    u"aide",                           // French
    u"ayuda",    u"ajuda",             // Spanish, Portuguese
    u"hilfe",                          // German
    u"ubufasha", u"mfasha", u"msaada"  // Kinyarwanda, Swahili
};

bool is_one_of(std::span<std::u16string_view const> words, std::u16string_view word) {
  return std::ranges::find(words, word) != words.end();
}

}  // namespace

std::optional<Keyword> keyword(std::string_view message) {
  if (message.size() > max_message) return std::nullopt;
  auto const word = letters(message);
  if (is_one_of(stops, word)) return Keyword::stop;
  if (is_one_of(starts, word)) return Keyword::start;
  if (is_one_of(helps, word)) return Keyword::help;
  return std::nullopt;
}

std::string_view name(Keyword keyword) {
  switch (keyword) {
    case Keyword::stop:
      return "STOP";
    case Keyword::start:
      return "START";
    case Keyword::help:
      break;
  }
  return "HELP";
}

}  // namespace omnibus::messaging
