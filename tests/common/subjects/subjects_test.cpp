#include "subjects/subjects.hpp"

#include "events/all_events.hpp"
#include "events/conversation.hpp"
#include "hash/hash.hpp"

#include <span>
#include <string>
#include <unordered_set>

#include <doctest/doctest.h>

using namespace omnibus;

namespace {

constexpr std::string_view a = "0194f2a0-0000-7000-8000-00000000000a";
constexpr std::string_view b = "0194f2a0-0000-7000-8000-00000000000b";

std::string digits_of(std::string_view uuid) {
  std::string digits{uuid};
  std::erase(digits, '-');
  return digits;
}

Subjects keys(std::initializer_list<std::string> texts) {
  Subjects subjects;
  for (auto const& text : texts) subjects.push_back(parse_subject_key(text).value());
  return subjects;
}

}  // namespace

TEST_CASE("a sender's key is the first half of the keyed hash of the domain, a line feed and the sender") {
  auto const hash = hmac_sha256("secret", "shop.example\n+250788654321");
  CHECK(sender_key("secret", "shop.example", "+250788654321").text() == to_hex(std::span{hash}.first<16>()));
}

TEST_CASE("a number, a session and a user have different keys, and so has each tenant and each secret") {
  auto const user = parse_uuid(a).value();
  std::unordered_set<SubjectKey> const all{sender_key("s", "a.example", a),  session_key("s", "a.example", a),
                                           user_key("s", "a.example", user), sender_key("s", "b.example", a),
                                           session_key("s", "b.example", a), user_key("s", "b.example", user),
                                           sender_key("s2", "a.example", a), alias(user)};
  CHECK(all.size() == 8);
}

TEST_CASE("a key's text is read again, and nothing else is a key") {
  auto const key = sender_key("secret", "shop.example", "+250788654321");
  CHECK(parse_subject_key(key.text()) == key);
  for (auto const* const text :
       {"", "0123456789abcdef0123456789abcde", "0123456789abcdef0123456789abcdef0", "0123456789ABCDEF0123456789ABCDEF",
        "0123456789abcdef0123456789abcdeg", "0194f2a0-0000-7000-8000-00000000"})
    CHECK_FALSE(parse_subject_key(text));
}

TEST_CASE("an alias is the digits of its UUID") {
  CHECK(alias(parse_uuid(a).value()).text() == digits_of(a));
  CHECK(aliases({parse_uuid(a), std::nullopt, parse_uuid(b), parse_uuid(a)}) == keys({digits_of(a), digits_of(b)}));
}

TEST_CASE("a record's key is a subject key, a UUID, a pair of UUIDs or nobody's") {
  CHECK(subjects_of_key("0123456789abcdef0123456789abcdef") == keys({"0123456789abcdef0123456789abcdef"}));
  CHECK(subjects_of_key(a) == keys({digits_of(a)}));
  auto const pair = std::string{a} + ":" + std::string{b};
  CHECK(subjects_of_key(pair) == keys({digits_of(a), digits_of(b)}));
  CHECK(subjects_of_key(std::string{a} + ":" + std::string{a}) == keys({digits_of(a)}));
  for (auto const& text : {std::string{}, std::string{"+250788654321"}, ":" + std::string{a}, std::string{a} + ":",
                           std::string{a} + ":x", pair + ":", std::string{a} + " "})
    CHECK(subjects_of_key(text).empty());
}

TEST_CASE("a chat message is about its session's conversation, also when it names another") {
  ChatMessageReceived message{"shop.example", "s-1", "Hello"};
  auto const own = conversation_id_of("shop.example", "s-1");
  CHECK(subjects_of(message, "") == aliases({own}));
  message.conversation_id = own;
  CHECK(subjects_of(message, "") == aliases({own}));
  message.conversation_id = parse_uuid(a);
  CHECK(subjects_of(message, "") == aliases({parse_uuid(a), own}));
}

TEST_CASE("what a person sends and says is about whom the record's key stands for") {
  auto const key = sender_key("secret", "shop.example", "+250788654321").text();
  CHECK(subjects_of(SmsMessageReceived{}, key) == keys({key}));
  CHECK(subjects_of(WhatsappMessageReceived{}, key) == keys({key}));
  CHECK(subjects_of(CallTerminated{}, key) == keys({key}));
}

TEST_CASE("a receipt is about the message that it belongs to") {
  DeliveryReceiptReceived receipt;
  CHECK(subjects_of(receipt, a) == aliases({parse_uuid(a)}));
  receipt.effect_key = std::string{b};
  CHECK(subjects_of(receipt, a) == aliases({parse_uuid(a), parse_uuid(b)}));
  receipt.effect_key = "not ours";
  CHECK(subjects_of(receipt, "") == Subjects{});
}

TEST_CASE("ticks and calls to models are about nobody") {
  static_assert(!NamesSubjects<TickMidnight>);
  static_assert(!NamesSubjects<LlmCallCompleted>);
  static_assert(!NamesSubjects<MatchBatchRequested>);
  static_assert(NamesSubjects<ChatMessageReceived>);
}
