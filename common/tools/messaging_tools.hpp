/// The seven tools by which a model sends messages and updates a session: their schemas and their effects.
#pragma once

#include "llm/llm.hpp"
#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace omnibus::tools {

/// The tools' definitions for the model: their names and JSON Schemas are those of `schemas/tools/`.
std::vector<llm::Tool> const& messaging_tools();

/// The session that tools work on, as read before the turn.
struct SessionState {
  Uuid id{};
  std::string status;
  std::string context;  ///< a JSON object
};

/// A message that a tool requests.
struct MessageWish {
  std::vector<std::string> channels;
  std::string body;
};

/// The effects of one turn's tool calls. A call changes nothing at once: it answers the model from the known state, and
/// the effects are applied with the turn's commit, so that a retried turn repeats nothing. A model can name neither
/// another session nor another person. Pure.
class MessagingTools {
 public:
  /// One turn sends at most this many messages beside its reply, and makes at most this many calls.
  static constexpr std::size_t max_messages = 3;
  static constexpr std::size_t max_calls = 16;

  explicit MessagingTools(SessionState session) : session_{std::move(session)} {}

  /// Executes one call. For any input, the answer is JSON for the model: the result, or
  /// `{"error":"..."}` with a text by which it can correct its call.
  std::string execute(std::string_view name, std::string_view arguments);

  /// The model did not finish the turn: a person must follow up, whatever status the model requested.
  void hand_over() { status_ = "follow_up"; }

  /// JSON objects to merge into the context, in this order.
  std::vector<std::string> const& patches() const { return patches_; }
  /// The status requested last.
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
