// What the SMS worker writes for a message that is parked, in an engine and a migrated database as role sms.
#include "assistant/answer_store.hpp"
#include "tests/common/engine/parking_engine.hpp"
#include "tests/common/llm/fake_llm.hpp"
#include "workers/sms/handler.hpp"

#include <doctest/doctest.h>

using namespace omnibus;
using namespace omnibus::sms;

namespace {

constexpr auto domain = "shop.example";

/// Messages, and a model that fails as no model should.
struct ParkedMessages {
  ParkedMessages() { engine.database.add_tenant(domain); }

  void park(std::string text = "Change price to 250k") {
    SmsMessageReceived message;
    message.domain = domain;
    message.provider = "mtn_sms";
    message.phone_number = "+250788123456";
    message.recipient = "8080";
    message.text = std::move(text);
    message.received_at = "2026-11-20T10:00:00Z";
    engine.park(message);
  }
  static SmsSettings with_key() {
    SmsSettings settings;
    settings.profile_key_secret = Secret{"0123456789abcdef"};
    return settings;
  }
  auto number(std::string const& query) { return engine.database.number(query); }

  SmsSettings settings = with_key();
  llm::test::FakeLlm::Script script;
  engine::test::ParkingEngine<SmsHandler> engine{
      "sms.inbound", [this] {
        return std::make_unique<SmsHandler>(
            settings, std::make_unique<PostgresDialogues>(),
            std::make_unique<assistant::Model>(settings, std::make_unique<llm::test::FakeLlm>(script),
                                               std::make_unique<assistant::PostgresAnswers>()));
      }};
};

constexpr auto outbound = "SELECT count(*) FROM message_delivery_log WHERE direction = 'outbound'";

}  // namespace

TEST_CASE("a parked message: its person's reply is planned, once, and the session handed to a person") {
  ParkedMessages messages;
  messages.park();
  auto const* const planned =
      "SELECT count(*) FROM message_delivery_log WHERE direction = 'outbound' AND channel = 'sms' AND kind = 'reply'"
      " AND status = 'planned' AND content LIKE 'Sorry, we cannot answer right now.%'";
  CHECK(messages.number(planned) == 1);
  CHECK(messages.number("SELECT count(*) FROM omnichannel_sessions WHERE status = 'follow_up'") == 1);
  CHECK(messages.number("SELECT count(*) FROM message_delivery_log WHERE direction = 'inbound'") == 1);
  messages.engine.redrive();
  CHECK(messages.number(planned) == 1);
  CHECK(messages.number("SELECT count(*) FROM message_delivery_log") == 2);
}

TEST_CASE("a person who opted out while his message was tried is not told, and is handed over") {
  ParkedMessages messages;
  messages.script.on_asked = [&] { messages.engine.database.execute("UPDATE profiles SET allows_sms = false"); };
  messages.park();
  CHECK(messages.number(outbound) == 0);
  CHECK(messages.number("SELECT count(*) FROM omnichannel_sessions WHERE status = 'follow_up'") == 1);
}

TEST_CASE("a person who was deleted while his message was tried does not come back") {
  ParkedMessages messages;
  messages.script.on_asked = [&] { messages.engine.database.execute("DELETE FROM profiles"); };
  messages.park();
  CHECK(messages.number("SELECT count(*) FROM profiles") == 0);
  CHECK(messages.number("SELECT count(*) FROM message_delivery_log") == 0);
}

TEST_CASE("a session that was deleted while its message was tried does not come back") {
  ParkedMessages messages;
  messages.script.on_asked = [&] { messages.engine.database.execute("DELETE FROM omnichannel_sessions"); };
  messages.park();
  CHECK(messages.number("SELECT count(*) FROM omnichannel_sessions") == 0);
  CHECK(messages.number(outbound) == 0);
}

TEST_CASE("a STOP counts although its message can be stored nowhere") {
  ParkedMessages messages;
  messages.engine.database.execute(
      "ALTER TABLE message_delivery_log ADD CONSTRAINT refuses CHECK (content IS DISTINCT FROM 'STOP')");
  messages.park("STOP");
  CHECK(messages.number("SELECT count(*) FROM message_delivery_log") == 0);
  CHECK(messages.number("SELECT count(*) FROM suppressions WHERE channel = 'sms' AND source = 'stop'") == 1);
}
