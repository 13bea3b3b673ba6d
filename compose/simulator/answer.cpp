#include "compose/simulator/answer.hpp"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>
#include <vector>

#include <fmt/format.h>

namespace omnibus::simulator {
namespace {

using Lines = std::array<std::string_view, 3>;

struct Subject {
  std::array<std::string_view, 4> words;  ///< beginnings of words that give it away
  Lines advice;
};

constexpr std::array<Subject, 11> subjects{{
    {{"refund", "chargeback", "reimburs", "money back"},
     {"Refunds usually reach the original payment method within 3 to 5 working days.",
      "Once the merchant confirms a refund, it shows up in your transactions as pending first.",
      "If the refund has not arrived after a week, send us the transaction's date and amount and we will chase it."}},
    {{"top up", "top-up", "topup", "topping"},
     {"Top-ups by card arrive at once, those by bank transfer within one working day.",
      "A top-up that was reverted goes back to the card it came from within 2 working days.",
      "Please check that the card's billing address matches the one in your profile, then try the top-up again."}},
    {{"transfer", "iban", "beneficiar", "payee"},
     {"Transfers normally arrive within one working day; a new recipient can take a little longer.",
      "You can follow each step of a transfer in the app, under Payments.",
      "Please compare the account number with the one the recipient gave you; a single wrong digit sends it back."}},
    {{"exchange", "currenc", "rate", "fx"},
     {"We use the interbank rate of the moment and show it before you confirm.",
      "Exchanges are free up to your monthly allowance; after that a small fee is shown first.",
      "The rate that applies is the one when the payment is processed, not when it was made."}},
    {{"pin", "passcode", "password", "login"},
     {"You can see and change it in the app under Security; it takes effect at once.",
      "After three wrong tries it is blocked for your safety; unblocking it in the app takes a minute.",
      "If you have lost access altogether, we can verify your identity and set it anew."}},
    {{"fee", "charge", "extra", "cost"},
     {"Every fee is listed in the statement next to the transaction it belongs to.",
      "Some shops and cash machines add a fee of their own, which we do not control.",
      "If a charge is not yours, block the card in the app first and then dispute the transaction."}},
    {{"card", "contactless", "visa", "mastercard"},
     {"A new card takes 5 to 7 working days to arrive, and 2 with express delivery.",
      "You can freeze the card in the app at once and unfreeze it when you need it.",
      "If the card is declined, a test payment with chip and PIN often makes it work again."}},
    {{"deliver", "order", "shipping", "package"},
     {"You can follow the delivery with the tracking link in the confirmation message.",
      "Orders placed before noon leave us the same day.",
      "If it has not arrived by the date we gave you, we will send it again at no cost."}},
    {{"cash", "atm", "withdraw", "machine"},
     {"Withdrawals are free up to your monthly limit; the app shows how much of it is left.",
      "If the machine gave less than it booked, keep the slip and we will correct the amount.",
      "A withdrawal that shows as pending is settled by the machine's bank within 2 days."}},
    {{"verif", "identity", "document", "passport"},
     {"A check of your documents usually takes less than an hour during the day.",
      "Please take the photo in daylight, with all four corners of the document visible.",
      "Your name must be written exactly as it is in the document."}},
    {{"appointment", "book", "visit", "schedule"},
     {"We have free slots on most weekday mornings; tell us which day suits you.",
      "You can move or cancel an appointment up to 24 hours before, at no cost.",
      "You will get a reminder by SMS the day before."}},
}};

constexpr Lines otherwise{
    "I have looked into it and the usual way is quick: open Help in the app and choose the topic that fits.",
    "This can normally be settled in a few minutes; I will need the e-mail address of your account to look closer.",
    "I can do that for you; could you tell me when it happened, so that I find the right entry?"};

constexpr Lines openings{"Thanks for getting in touch about {}.", "I understand this is about {}.",
                         "Happy to help with {}."};
constexpr Lines closings{"Is there anything else I can do for you?",
                         "Would you like me to hand this over to a colleague?",
                         "Just write back here if that does not solve it."};

constexpr std::array<std::string_view, 62> small_words{
    "what", "when", "where", "which", "who",   "why",   "how",  "this",  "that",   "these", "those", "there", "have",
    "has",  "had",  "does",  "did",   "can",   "could", "will", "would", "should", "the",   "and",   "but",   "for",
    "with", "from", "into",  "about", "your",  "you",   "are",  "was",   "were",   "been",  "being", "not",   "they",
    "them", "then", "than",  "just",  "still", "want",  "need", "like",  "please", "help",  "tell",  "know",  "get",
    "got",  "some", "any",   "hello", "hi",    "hey",   "it's", "i'm",   "i've",   "don't"};

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return c < 0x80 ? static_cast<char>(std::tolower(c)) : static_cast<char>(c); });
  return result;
}

bool word_begins(std::string_view text, std::string_view word) {
  for (auto at = text.find(word); at != std::string_view::npos; at = text.find(word, at + 1)) {
    if (at == 0 || std::isalnum(static_cast<unsigned char>(text[at - 1])) == 0) return true;
  }
  return false;
}

Lines const& advice_on(std::string_view question) {
  for (auto const& subject : subjects) {
    for (auto const word : subject.words) {
      if (word_begins(question, word)) return subject.advice;
    }
  }
  return otherwise;
}

/// Cuts at a character's border, not within one.
std::string_view shorten(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  while (most > 0 && (static_cast<unsigned char>(text[most]) & 0xC0) == 0x80) --most;
  return text.substr(0, most);
}

}  // namespace

std::string topic_of(std::string_view question) {
  auto const text = lower(shorten(question, 2000));
  std::string topic;
  auto words = 0;
  std::size_t at = 0;
  auto const is_letter = [](unsigned char c) { return c >= 0x80 || std::isalnum(c) != 0 || c == '\'' || c == '-'; };
  while (at < text.size() && words < 3) {
    while (at < text.size() && !is_letter(static_cast<unsigned char>(text[at]))) ++at;
    auto const begin = at;
    while (at < text.size() && is_letter(static_cast<unsigned char>(text[at]))) ++at;
    auto const word = std::string_view(text).substr(begin, at - begin);
    auto const small = word.size() < 3 || std::find(small_words.begin(), small_words.end(), word) != small_words.end();
    if (small || word.size() > 40) continue;
    if (!topic.empty()) topic += ' ';
    topic += word;
    ++words;
  }
  return topic.empty() ? "your request" : topic;
}

std::optional<std::string> summary_of(std::string_view transcript) {
  std::string asked;
  std::string said;
  auto lines = 0;
  for (auto rest = transcript; !rest.empty();) {
    auto const line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(line.size() + 1, rest.size()));
    auto const colon = line.find(": ");
    if (colon == std::string_view::npos || colon > 16) return std::nullopt;
    auto const words = std::string{shorten(line.substr(colon + 2), 160)};
    if (line.substr(0, colon) != "user") {
      said = words;
    } else if (asked.empty()) {
      asked = words;
    }
    ++lines;
  }
  if (lines < 2 || asked.empty() || said.empty()) return std::nullopt;
  return fmt::format("You asked: \"{}\" We said last: \"{}\"", asked, said);
}

std::string answer_to(std::string_view question, std::uint64_t seed) {
  if (auto const summary = summary_of(question)) return *summary;
  auto const hash = stable_hash(question, seed);
  auto const& advice = advice_on(lower(shorten(question, 2000)));
  auto const pick = [&](Lines const& lines, unsigned shift) { return lines[(hash >> shift) % lines.size()]; };
  auto const first = (hash >> 24) % advice.size();
  auto const opening = fmt::format(fmt::runtime(pick(openings, 8)), '"' + topic_of(question) + '"');
  auto answer = fmt::format("{} {}", opening, advice[first]);
  if ((hash >> 40) % 2 == 0) answer.append(" ").append(advice[(first + 1) % advice.size()]);
  return answer.append(" ").append(pick(closings, 48));
}

std::string answer_from_tool(std::string_view question, std::string_view tool_result) {
  if (auto const fact = changed_fact(question)) return fmt::format("Done: {} is now {}.", fact->name, fact->value);
  return fmt::format("I have checked that for you. This is what I found: {}", shorten(tool_result, 500));
}

std::optional<ChangedFact> changed_fact(std::string_view question) {
  auto const text = lower(shorten(question, 2000));
  for (std::string_view const verb : {"change ", "set ", "update "}) {
    auto const begin = text.find(verb);
    if (begin == std::string::npos) continue;
    auto const to = text.find(" to ", begin + verb.size());
    if (to == std::string::npos) continue;
    auto name = std::string_view(text).substr(begin + verb.size(), to - begin - verb.size());
    for (std::string_view const article : {"the ", "my "})
      if (name.substr(0, article.size()) == article) name.remove_prefix(article.size());
    auto value = question.substr(to + 4);
    value = value.substr(0, value.find_first_of(".,;!?\n"));
    if (!name.empty() && !value.empty() && name.size() <= 40 && value.size() <= 80)
      return ChangedFact{std::string{name}, std::string{value}};
  }
  return std::nullopt;
}

std::int64_t count_tokens(std::string_view text) {
  std::int64_t words = 0;
  auto inside = false;
  for (auto const c : text) {
    auto const blank = c == ' ' || c == '\n' || c == '\t';
    if (!blank && !inside) ++words;
    inside = !blank;
  }
  return std::max(words, static_cast<std::int64_t>((text.size() + 3) / 4));
}

std::uint64_t stable_hash(std::string_view text, std::uint64_t seed) {
  auto hash = 14695981039346656037ULL ^ (seed * 0x9E3779B97F4A7C15ULL);
  for (auto const c : text) hash = (hash ^ static_cast<unsigned char>(c)) * 1099511628211ULL;
  hash ^= hash >> 33;
  hash *= 0xFF51AFD7ED558CCDULL;
  hash ^= hash >> 33;
  hash *= 0xC4CEB9FE1A85EC53ULL;
  return hash ^ (hash >> 33);
}

}  // namespace omnibus::simulator
