/// The seven tools by which a model sends messages and keeps a session: what it is told of them, and what they do.
#pragma once

#include "llm/llm.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::tools {

/// The tools as a model is told of them: their names and JSON Schemas are those of `schemas/tools/`.
std::vector<llm::Tool> const& messaging_tools();

/// The session that tools are about, as it was read before the turn.
struct SessionState {
  Uuid id{};
  std::string status;
  std::string context;  ///< a JSON object
};

/// A message that a tool asks to be sent.
struct MessageWish {
  std::vector<std::string> channels;
  std::string body;
};

/// What one turn's tool calls come to. They touch nothing: each answers the model from what it knows, and the wishes
/// are carried out with the turn's own commit, so that a turn tried again repeats nothing. A model can name neither
/// another session nor another person. Pure.
class MessagingTools {
 public:
  /// One turn sends at most so many messages beside its reply, and makes at most so many calls.
  static constexpr std::size_t max_messages = 3;
  static constexpr std::size_t max_calls = 16;

  explicit MessagingTools(SessionState session) : session_{std::move(session)} {}

  /// Carries out one call. Whatever the model wrote, the answer is JSON to be given back to it: the result, or
  /// `{"error":"..."}` in words that it can mend its call by.
  std::string execute(std::string_view name, std::string_view arguments);

  /// No model has brought the turn to its end: a person is to come back to it, whatever status was wished for.
  void hand_over() { status_ = "follow_up"; }

  /// JSON objects to merge into the context, in this order.
  std::vector<std::string> const& patches() const { return patches_; }
  /// The status wished for last.
  std::optional<std::string> const& status() const { return status_; }
  std::vector<MessageWish> const& messages() const { return messages_; }

 private:
  std::string run(std::string_view name, std::string_view arguments);
  std::string send(std::vector<std::string> channels, std::string_view arguments);
  std::string update_status(std::string_view arguments);
  std::string add_context(std::string_view arguments);
  std::string describe_session() const;
  std::string describe_context() const;

  SessionState session_;
  std::size_t calls_ = 0;
  std::vector<std::string> patches_;
  std::optional<std::string> status_;
  std::vector<MessageWish> messages_;
};

}  // namespace omnibus::tools
