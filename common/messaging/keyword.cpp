#include "messaging/keyword.hpp"

#include "messaging/unicode.hpp"

#include <algorithm>
#include <string>
#include <utility>

namespace omnibus::messaging {
namespace {

constexpr std::size_t max_message = 128;

constexpr std::pair<std::u16string_view, Keyword> keywords[] = {
    {u"stop", Keyword::stop},   {u"stopall", Keyword::stop}, {u"unsubscribe", Keyword::stop},
    {u"cancel", Keyword::stop}, {u"end", Keyword::stop},     {u"quit", Keyword::stop},
    {u"arret", Keyword::stop},  {u"start", Keyword::start},  {u"unstop", Keyword::start},
    {u"help", Keyword::help},   {u"aide", Keyword::help},    {u"info", Keyword::help},
};

}  // namespace

std::optional<Keyword> keyword(std::string_view message) {
  if (message.size() > max_message) return std::nullopt;
  auto const word = letters(message);
  auto const* const known = std::ranges::find(keywords, word, &std::pair<std::u16string_view, Keyword>::first);
  if (known == std::end(keywords)) return std::nullopt;
  return known->second;
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
