/// What operators did with dead letters: who may act on one, and that it is done once.
#pragma once

#include "uuid/uuid.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include <boost/describe/enum.hpp>

namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::postgres {

/// A letter, where it lies, and the event that its worker has in its inbox for it.
struct LetterKey {
  Uuid id;
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string consumer;
  std::optional<Uuid> event_key;  ///< absent for what is no event: nothing is recognised by it
};

enum class LetterAction { redriven, dropped };
BOOST_DESCRIBE_ENUM(LetterAction, redriven, dropped)
std::string_view to_string(LetterAction action);

/// The compare-and-set of every action: takes the letter within the caller's transaction, or tells that somebody else
/// has taken it (false). Waits for one who is taking it. A letter that is redriven is forgotten by its worker's inbox.
bool take_letter(pqxx::transaction_base& transaction, LetterKey const& letter, LetterAction action,
                 std::string_view actor);

/// What was done with the letters of a dead-letter topic; the others are open.
std::unordered_map<Uuid, LetterAction> letter_actions(pqxx::connection& connection, std::string_view topic);

/// The right to send letters of one partition, held against other operators so that the order of a key is kept. Waits
/// for whoever has it; the server gives it back when the connection ends.
class PartitionTurn {
 public:
  PartitionTurn(pqxx::connection& connection, std::string_view topic, std::int32_t partition);
  ~PartitionTurn();
  PartitionTurn(PartitionTurn const&) = delete;
  PartitionTurn& operator=(PartitionTurn const&) = delete;

 private:
  pqxx::connection& connection_;
  std::int64_t key_;
};

}  // namespace omnibus::postgres
