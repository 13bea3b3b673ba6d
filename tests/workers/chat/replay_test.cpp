// What a replay of chat turns stores, beside what they stored when they were handled.
#include "tests/workers/chat/chatting.hpp"

#include <functional>

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::chat;
using namespace omnibus::chat::test;
using Kind = FakeContext::Kind;
using llm::LlmError;

namespace {

using Meddle = std::function<void(Chat&)>;

struct Case {
  char const* name;
  Meddle meddle;
};

void take_over(Chat& chat) {
  chat.row().with_person = true;
  ++chat.row().takeover_epoch;
}

void say_nothing_more(Chat& chat) {
  chat.model.script.failure = LlmError{LlmError::Kind::invalid_request, "HTTP 400"};
}

// What the turn finds, and what happens while the model is asked.
Case const paths[] = {
    {"answered", [](Chat&) {}},
    {"with a person", take_over},
    {"taken over while the model was asked",
     [](Chat& chat) { chat.model.script.on_asked = [&] { chat.row().takeover_epoch = 7; }; }},
    {"no model answers", say_nothing_more},
    {"an answer without words", [](Chat& chat) { chat.model.script.answers.front().text = " "; }},
    {"closed", [](Chat& chat) { chat.row().resolved = true; }},
    {"without consent", [](Chat& chat) { chat.stored.consent_required = true; }},
};
// How the first attempt's commit fails.
Case const failures[] = {
    {"not at all", [](Chat&) {}},
    {"the database is away", [](Chat& chat) { chat.context.fail_next_commit(Failure::outage("away")); }},
    {"another worker has the partition", [](Chat& chat) { chat.context.fail_next_commit(Fenced{}); }},
    {"neither turn nor answer are kept",
     [](Chat& chat) {
       chat.context.fail_next_commit(Failure::outage("away"));
       chat.context.fail_next_checkpoint(Failure::outage("away"));
     }},
    {"for good", [](Chat& chat) { chat.context.fail_next_commit(Failure::permanent("no such table", "broken")); }},
};
// What happens before the next attempt.
Case const meanwhile[] = {
    {"nothing", [](Chat&) {}},
    {"a person takes the conversation over", take_over},
    {"the conversation is closed", [](Chat& chat) { chat.row().resolved = true; }},
    {"the model is gone", say_nothing_more},
    {"consent is withdrawn", [](Chat& chat) { chat.stored.consent_required = true; }},
};

}  // namespace

TEST_CASE("a replay stores what its turn stored, whatever became of it and wherever it was interrupted") {
  for (auto const& path : paths) {
    for (auto const& failure : failures) {
      for (auto const& change : meanwhile) {
        CAPTURE(path.name);
        CAPTURE(failure.name);
        CAPTURE(change.name);
        Chat chat;
        chat.model.script.say("On its way.");
        chat.model.script.say("On its way, too.");
        path.meddle(chat);
        failure.meddle(chat);
        if (auto const first = chat.hand(); first != Kind::handled && first != Kind::parked) {
          change.meddle(chat);
          if (chat.context.come_again() != Kind::handled) chat.context.try_until_over();
        }
        auto const live = chat.said();
        chat.row().messages.clear();
        chat.row().handled.clear();
        chat.context.replay();
        CHECK(chat.context.come_again() == Kind::handled);
        CHECK(chat.said() == live);
      }
    }
  }
}
