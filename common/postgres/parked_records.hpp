/// The whole records of dead letters that are too large for their topic.
#pragma once

#include "kafka/record.hpp"
#include "uuid/uuid.hpp"

#include <optional>
#include <string>
#include <vector>

namespace pqxx {
class transaction_base;
}

namespace omnibus::postgres {

/// Keeps a letter's record in the caller's transaction. @param subjects whom it is about, as About::keys() has them
void park_record(pqxx::transaction_base& transaction, Uuid const& letter_id, kafka::Record const& record,
                 std::vector<std::string> const& subjects);

/// A letter's record; nothing if it is not kept any more.
std::optional<kafka::Record> parked_record(pqxx::transaction_base& transaction, Uuid const& letter_id);

/// Removes a letter's record, which is no error when it is gone.
void remove_parked(pqxx::transaction_base& transaction, Uuid const& letter_id);

}  // namespace omnibus::postgres
