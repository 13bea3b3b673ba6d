/// The settings of the SMS worker.
#pragma once

#include "assistant/settings.hpp"
#include "config/config.hpp"
#include "sessions/opt_out.hpp"

#include <array>
#include <chrono>
#include <cstdint>
#include <string>

#include <boost/describe/class.hpp>

namespace omnibus::sms {

struct SmsSettings : assistant::ModelSettings, sessions::KeySecrets {
  std::int32_t history_messages = 20;
  std::int32_t history_tokens = 2000;
  std::int32_t tool_rounds = 4;
  std::int32_t replies_per_hour = 30;
  std::chrono::milliseconds reply_expires_after{86'400'000};
  std::string instructions =
      "You answer people by SMS and WhatsApp, going on with what was said in a call or in earlier messages. Answer in "
      "the person's language, in one or two short sentences. When they change or add a fact, keep it with "
      "session_add_context before you answer. Your answer is sent for you: use a messaging tool only for a further "
      "message. Never invent orders, prices or policies.";
  std::string fallback_text = "Sorry, we cannot answer right now. A colleague will come back to you.";
  std::string opt_out_text = "You will get no more messages from us here. Send START to get them again.";
  std::string opt_in_text = "Welcome back: you will get our messages here again. Send STOP to end them.";
  std::string help_text = "Write to us here and we answer. Send STOP to get no more messages, START to get them again.";

  static constexpr std::string_view prefix = "";
  static constexpr std::array docs{
      config::Doc{"history_messages", "Messages of the session in the prompt", 0, 200},
      config::Doc{"history_tokens", "Budget of these messages, in estimated tokens; the newest are kept", 0,
                  10'000'000},
      config::Doc{"tool_rounds", "How often a model may call tools before it has to answer", 0, 16},
      config::Doc{
          "replies_per_hour",
          "Messages of this worker to one person within an hour. Above that it stores what the person writes and "
          "does not answer, so that two machines do not answer each other endlessly. 0: no limit",
          0, 100'000},
      config::Doc{"reply_expires_after", "A reply that could not be sent within this time is not sent", 60, 604800},
      config::Doc{"instructions", "The system prompt"},
      config::Doc{"fallback_text", "The text for a person when no model answers"},
      config::Doc{"opt_out_text", "The answer to STOP, which is the last message over that channel"},
      config::Doc{"opt_in_text", "The answer to START"},
      config::Doc{"help_text", "The answer to HELP"},
  };
};
BOOST_DESCRIBE_STRUCT(SmsSettings, (assistant::ModelSettings, sessions::KeySecrets),
                      (history_messages, history_tokens, tool_rounds, replies_per_hour, reply_expires_after,
                       instructions, fallback_text, opt_out_text, opt_in_text, help_text))

}  // namespace omnibus::sms
