/// Records of what operators did with dead letters. They ensure that each letter is acted on once.
#pragma once

#include "postgres/about.hpp"
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

/// A dead letter, its position, and the key of its event in its worker's inbox.
struct LetterKey {
  Uuid id;
  std::string topic;
  std::int32_t partition = 0;
  std::int64_t offset = 0;
  std::string consumer;
  std::optional<Uuid> event_key;  ///< absent when the record is not an event: then no inbox has it
  About about{};
};

enum class LetterAction { redriven, dropped };
BOOST_DESCRIBE_ENUM(LetterAction, redriven, dropped)
std::string_view to_string(LetterAction action);

/// The compare-and-set of every action: takes the letter within the caller's transaction. @return false when it was
/// already taken, or is to be redriven and is_refused(). Waits for a transaction that is taking it. A redriven letter
/// is removed from its worker's inbox.
bool take_letter(pqxx::transaction_base& transaction, LetterKey const& letter, LetterAction action,
                 std::string_view actor);

/// Whether the letter is about somebody who was erased, or is being erased: then it cannot be redriven.
bool is_refused(pqxx::connection& connection, About const& about);

/// The actions on the letters of a dead-letter topic; letters without an action are open.
std::unordered_map<Uuid, LetterAction> letter_actions(pqxx::connection& connection, std::string_view topic);

/// The lock for redriving the letters of one partition; it keeps the order of a key when several operators work. Waits
/// for the current holder; the server releases it when the connection ends.
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
