/// A person who writes to the SMS worker's handler, without engine, broker, database and model.
#pragma once

#include "events/inbound.hpp"
#include "events/notification.hpp"
#include "handler/fake_context.hpp"
#include "tests/common/assistant/fake_answers.hpp"
#include "tests/workers/sms/fake_dialogues.hpp"
#include "workers/sms/handler.hpp"

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace omnibus::sms::test {

using Texts = std::vector<std::string>;

inline constexpr auto phone = "+250788123456";

struct Texting {
  explicit Texting(bool replay = false, std::int32_t replies_per_hour = 30) {
    settings.replies_per_hour = replies_per_hour;
    settings.profile_key_secret = Secret{"a secret of this test"};
    context.keep_consistent(stored);
    if (replay) context.replay();
    handler.emplace(settings, std::make_unique<FakeDialogues>(stored, script), replay ? nullptr : model.make(settings));
  }

  static SmsMessageReceived sms(std::string text) {
    SmsMessageReceived message;
    message.domain = "shop.example";
    message.provider = "mtn_sms";
    message.phone_number = phone;
    message.recipient = "8080";
    message.text = std::move(text);
    message.received_at = "2026-11-20T10:00:00Z";
    return message;
  }
  static WhatsappMessageReceived whatsapp(std::string text) {
    WhatsappMessageReceived message;
    message.domain = "shop.example";
    message.provider_message_id = "wamid.1";
    message.recipient = "1000";
    message.kind = "text";
    message.text = std::move(text);
    message.received_at = "2026-11-20T10:00:00Z";
    message.phone_number = phone;
    return message;
  }

  auto write(std::string text) { return context.hand(*handler, sms(std::move(text))); }
  /// The database refuses the commit for good.
  void refuse_commit() { context.fail_next_commit(Failure::permanent("the database refused the change", "database")); }
  auto write_and_refuse(std::string text) {
    refuse_commit();
    return write(std::move(text));
  }
  auto& person() { return stored.people.at(phone); }
  Texts thread() const {
    Texts lines;
    for (auto const& line : stored.log) lines.push_back((line.ours ? line.kind + ": " : "they: ") + line.text);
    return lines;
  }

  SmsSettings settings;
  FakeContext context{"sms"};
  Dialogues stored;
  FakeDialogues::Script script;
  assistant::test::FakeModel model{context};
  std::optional<SmsHandler> handler;
};

inline Texts const question_and_answer{"they: Are you open?", "reply: Until six."};

}  // namespace omnibus::sms::test
