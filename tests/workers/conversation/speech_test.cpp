#include "workers/conversation/speech.hpp"

#include <string>

#include <doctest/doctest.h>

using namespace omnibus::conversation;

namespace {

Speaker const zoe{"agent_a", "Zoë O'Brien"};
Speaker const helper{"agent_b", "助手 <1>"};

std::string said_by_a(std::string_view message) {
  return own_words(message, zoe, helper);
}

}  // namespace

TEST_CASE("what follows a later line with a label is not the speaker's: the other's part is cut") {
  CHECK(said_by_a("Good.\nagent_b: I agree, Tuesday.\nagent_a: Great.") == "Good.");
  CHECK(said_by_a("Good.\nAGENT_B : yes") == "Good.");
  CHECK(said_by_a("Good.\n**agent_b:** yes") == "Good.");
  CHECK(said_by_a("Good.\n> [Agent B]: yes") == "Good.");
  CHECK(said_by_a("Good.\nagent-b： yes") == "Good.");
  CHECK(said_by_a("Good.\r\n\r\n助手 <1>: yes") == "Good.");
  CHECK(said_by_a("Good.\n助手 <1>：yes") == "Good.");
  CHECK(said_by_a("Good.\xE2\x80\xA8 ZOE\xCC\x88   O'BRIEN: yes") == "Good.");
  CHECK(said_by_a("Good.\nagent_a: More of my own.") == "Good.");
}

TEST_CASE("the speaker's own label in front is cut, and the message stays") {
  CHECK(said_by_a("agent_a: Hello.") == "Hello.");
  CHECK(said_by_a("\n \nAgent_A:\nHello.") == "Hello.");
  CHECK(said_by_a("**Zoë O'Brien:** Hello.") == "Hello.");
  CHECK(said_by_a("agent_a: Zoë O'Brien: Hello.") == "Hello.");
  CHECK(said_by_a("agent_a:\nagent_a: Hello.") == "Hello.");
  CHECK(own_words("助手 <1>：你好", helper, zoe) == "你好");
}

TEST_CASE("a message that begins with the other's label has nothing of the speaker's") {
  CHECK(said_by_a("agent_b: I agree.").empty());
  CHECK(said_by_a("agent_a: agent_b: I agree.").empty());
  CHECK(said_by_a("助手 <1>: I agree.\nGood.").empty());
}

TEST_CASE("only a label at the start of a line is one") {
  for (std::string const text :
       {"I told agent_b: yes.", "Let us meet at 10:30.\nWhere: in Kigali.\nhttps://example.org/a:b",
        "Zoë O'Brien says hi", "One\n\nTwo", "agent_c: no"})
    CHECK(said_by_a(text) == text);
}

TEST_CASE("a handle may look like anything") {
  Speaker const strange{"agent_b", "a:b"};
  CHECK(own_words("Good.\na:b: yes", zoe, strange) == "Good.");
  CHECK(own_words("Good.\na: yes", zoe, strange) == "Good.\na: yes");
  Speaker const starred{"agent_b", "*star*"};
  CHECK(own_words("Good.\n*star*: yes", zoe, starred) == "Good.");
  Speaker const blank{"agent_b", "\xE2\x80\x8B"};
  CHECK(own_words("Good.\n: yes", zoe, blank) == "Good.\n: yes");
  Speaker const dots{"agent_b", "..."};
  CHECK(own_words("Good.\n...: yes", zoe, dots) == "Good.");
  Speaker const punctuation{"agent_b", "**"};
  CHECK(own_words("Good.\n**: yes", zoe, punctuation) == "Good.");
}

TEST_CASE("white space around a message and control characters in it are left out") {
  CHECK(said_by_a("\n\n").empty());
  CHECK(said_by_a("  Hello\x07 there \r\n you\t! \xE3\x80\x80") == "Hello there \n you\t!");
  CHECK(said_by_a("one\vtwo\xC2\x85three") == "one\ntwo\nthree");
}

TEST_CASE("a text without visible characters is none, in every script") {
  for (std::string const text : {"", " \n\t", "\xE2\x80\x8B\xE2\x81\xA0", "\xEF\xBB\xBF", "\xC2\xAD", "\xE3\x85\xA4",
                                 "\xE2\xA0\x80", "\xEF\xB8\x8F", "\xF3\xA0\x80\xA1", "\x01\x7F", "\xE2\x80\xAE"})
    CHECK_FALSE(is_visible(text));
  for (std::string const text : {"a", ".", "👍", "好", "\xE2\x80\x8B!", "नि", "\xEF\xBF\xBD"}) CHECK(is_visible(text));
}
