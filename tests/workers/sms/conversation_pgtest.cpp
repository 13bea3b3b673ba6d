// What the SMS worker reads and writes of a conversation, in a migrated database as the roles that use it.
#include "engine/commit/handler_unit.hpp"
#include "events/inbound.hpp"
#include "sessions/notification.hpp"
#include "tests/common/postgres/database_fixture.hpp"
#include "workers/sms/store.hpp"

#include <functional>
#include <string>
#include <vector>

#include <doctest/doctest.h>
#include <pqxx/pqxx>

using namespace omnibus;
using namespace omnibus::sms;
using Texts = std::vector<std::string>;

namespace {

constexpr auto domain = "shop.example";
constexpr auto phone = "+250788123456";

/// One person's conversation, as the worker keeps it.
class TestDialogue {
 public:
  TestDialogue() { database.add_tenant(domain); }

  /// @return the keys of what was published, as its readers' inboxes know it.
  std::vector<Uuid> in_unit(std::function<void(UnitOfWork&)> const& work) {
    pqxx::work transaction{sms};
    postgres::Gathered gathered;
    postgres::OpenUnit inner{transaction, gathered};
    auto const parent = originate("/test", SmsMessageReceived::type);
    engine::HandlerUnit unit{inner, engine::EventMaker{parent, "sms"}};
    work(unit);
    std::vector<Uuid> published;
    for (auto const& record : inner.records()) {
      Envelope read;
      for (auto const& header : record.headers) {
        if (header.name == "ce_source") read.source = header.value.value();
        if (header.name == "ce_id") read.id = header.value.value();
      }
      published.push_back(event_key(read));
    }
    transaction.commit();
    return published;
  }

  /// The person writes. @return the event's key.
  Uuid write(std::string text) {
    auto const event = random_uuid();
    Inbound said;
    said.domain = domain;
    said.sender = {phone};
    said.text = std::move(text);
    in_unit([&](UnitOfWork& unit) { conversation = store.receive(unit, event, said); });
    return event;
  }

  NotificationRequested wanted(std::string body, std::vector<std::string> channels = {"sms"}) const {
    NotificationRequested request{domain, conversation.profile.id, "reply", std::move(channels), std::move(body)};
    request.session_id = conversation.session.id;
    return request;
  }
  /// We answer. @return the delivery's key.
  Uuid answer(std::string body) {
    auto const published =
        in_unit([&](UnitOfWork& unit) { sessions::request_notification(unit, wanted(std::move(body))); });
    return name_uuid(published.at(0), "sms");
  }

  /// The notify worker writes down what became of it.
  void end(Uuid const& delivery, std::string_view status, std::optional<std::string> const& content) {
    pqxx::work transaction{notify};
    transaction.exec("SELECT log_message_delivery($1, $2, $3, 'sms', 'outbound', 'reply', $4, $5)",
                     pqxx::params{to_string(delivery), to_string(conversation.profile.id),
                                  to_string(conversation.session.id), status, content});
    transaction.commit();
  }

  Texts history(Uuid const& event, std::int32_t most = 20, std::int64_t tokens = 2000) {
    Texts texts;
    for (auto const& line : PostgresDialogues::read_over(sms, event, most, tokens).history)
      texts.push_back((line.ours ? "we: " : "they: ") + line.content);
    return texts;
  }
  std::string value(std::string const& query) {
    pqxx::connection admin{database.url()};
    return pqxx::nontransaction{admin}.query_value<std::string>(query);
  }

  test::TestDatabase database;
  pqxx::connection sms{database.url_as("sms")};
  pqxx::connection notify{database.url_as("notify")};
  PostgresDialogues store;
  Dialogue conversation;
};

constexpr auto outbound =
    "SELECT string_agg(status || ' ' || content, ', ') FROM message_delivery_log"
    " WHERE direction = 'outbound'";

}  // namespace

TEST_CASE("a reply is part of the conversation from the moment it is asked for") {
  TestDialogue dialogue;
  dialogue.write("When do you open?");
  dialogue.answer("At **nine**.");
  CHECK(dialogue.value(outbound) == "planned At nine.");
  CHECK(dialogue.history(dialogue.write("And when do you close?")) == Texts{"they: When do you open?", "we: At nine."});
}

TEST_CASE("of a long conversation the newest part within the budget is read") {
  TestDialogue dialogue;
  dialogue.write("one");
  dialogue.write(std::string(1000, 'x'));
  dialogue.write("\u00e4\u00f6\u00fc");
  auto const asked = dialogue.write("?");
  Texts const newest{"they: \u00e4\u00f6\u00fc"};
  CHECK(dialogue.history(asked, 20, 6) == newest);  // 6 bytes, and 4 for the frame
  CHECK(dialogue.history(asked, 20, 5).empty());
  CHECK(dialogue.history(asked, 20, 6 + 253) == newest);  // what is older than a message too long is left out as well
  CHECK(dialogue.history(asked, 20, 6 + 254).size() == 2);
  CHECK(dialogue.history(asked).size() == 3);
}

TEST_CASE("a delivery ends in the row that was planned, in the words that were sent, and is not planned again") {
  TestDialogue dialogue;
  dialogue.write("When do you open?");
  auto const delivery = dialogue.answer("At nine.");
  dialogue.end(delivery, "sent", "At nine, as the template has it.");
  CHECK(dialogue.value(outbound) == "sent At nine, as the template has it.");
  dialogue.end(delivery, "delivered", {});
  dialogue.end(delivery, "planned", "Other words.");
  CHECK(dialogue.value(outbound) == "delivered At nine, as the template has it.");
}

TEST_CASE("what the person did not get is no part of the conversation") {
  TestDialogue dialogue;
  dialogue.write("One");
  dialogue.end(dialogue.answer("skipped"), "skipped", {});
  dialogue.end(dialogue.answer("failed"), "failed", "failed");
  dialogue.end(dialogue.answer("nobody knows"), "in_doubt", "nobody knows");
  CHECK(dialogue.history(dialogue.write("Two")) == Texts{"they: One", "we: nobody knows"});
}

TEST_CASE("each channel's words are its own") {
  TestDialogue dialogue;
  dialogue.write("Hello");
  dialogue.in_unit([&](UnitOfWork& unit) {
    sessions::request_notification(unit, dialogue.wanted("**Yes** \u2014 of course", {"whatsapp", "sms"}));
  });
  CHECK(dialogue.value("SELECT string_agg(channel || ': ' || content, ', ' ORDER BY channel DESC)"
                       " FROM message_delivery_log WHERE direction = 'outbound'") ==
        "whatsapp: *Yes* \u2014 of course, sms: Yes - of course");
}

TEST_CASE("a keyword comes before its answer, which has the same time") {
  TestDialogue dialogue;
  for (int i = 0; i < 8; ++i) {
    Inbound said;
    said.domain = domain;
    said.sender = {phone};
    said.text = "HELP";
    dialogue.in_unit([&](UnitOfWork& unit) {
      dialogue.conversation = dialogue.store.receive(unit, random_uuid(), said);
      sessions::request_notification(unit, dialogue.wanted("Write to us."));
    });
  }
  auto const texts = dialogue.history(dialogue.write("Thanks"));
  REQUIRE(texts.size() == 16);
  for (std::size_t i = 0; i < texts.size(); i += 2) {
    CHECK(texts[i] == "they: HELP");
    CHECK(texts[i + 1] == "we: Write to us.");
  }
}

TEST_CASE("messages of the last hour are counted, whatever became of them; what is told of calls is not") {
  TestDialogue dialogue;
  dialogue.write("Hello");
  auto const replies = [&] {
    return PostgresDialogues::read_over(dialogue.sms, dialogue.write("?"), 1, 100).recent_replies;
  };
  CHECK(replies() == 0);
  dialogue.answer("planned");
  dialogue.end(dialogue.answer("sent"), "sent", "sent");
  auto const old = dialogue.answer("old");
  CHECK(replies() == 3);
  dialogue.value("UPDATE message_delivery_log SET created_at = now() - interval '61 minutes' WHERE effect_key = '" +
                 to_string(old) + "' RETURNING status");
  CHECK(replies() == 2);
  dialogue.in_unit([&](UnitOfWork& unit) {
    auto summary = dialogue.wanted("You called.");
    summary.kind = "call_summary";
    sessions::request_notification(unit, summary);
  });
  CHECK(replies() == 2);
}

TEST_CASE("of a long conversation the newest messages are shown, oldest first") {
  TestDialogue dialogue;
  for (auto const* text : {"one", "two", "three"}) dialogue.write(text);
  CHECK(dialogue.history(dialogue.write("now"), 2) == Texts{"they: two", "they: three"});
}

TEST_CASE("a message whose session was deleted meanwhile is still asked to be sent") {
  TestDialogue dialogue;
  dialogue.write("Hello");
  dialogue.value("DELETE FROM omnichannel_sessions RETURNING status");
  dialogue.answer("Hello");
  CHECK(dialogue.value("SELECT COALESCE(session_id::text, 'none') FROM message_delivery_log WHERE direction = "
                       "'outbound'") == "none");
}
