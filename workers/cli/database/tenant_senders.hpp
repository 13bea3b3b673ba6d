/// The senders of tenants, as an operator manages them.
#pragma once

#include "senders/sender.hpp"

#include <string>
#include <vector>

namespace pqxx {
class connection;
}

namespace omnibus::cli {

/// Checks a new sender without a database, and completes it: the channel by its provider, the number in E.164.
/// @throws std::runtime_error naming the option to change
senders::Sender checked_sender(senders::Sender sender);

/// Adds it. @throws std::runtime_error if there is no such tenant, the tenant has a sender on the channel, or another
/// tenant has this sender.
void add_sender(pqxx::connection& connection, senders::Sender const& sender);

/// Removes the tenant's sender. @throws std::runtime_error if it has none on this channel.
void remove_sender(pqxx::connection& connection, std::string const& domain, std::string const& channel);

/// The tenant's senders, or all if `domain` is empty.
std::vector<senders::Sender> list_senders(pqxx::connection& connection, std::string const& domain);

}  // namespace omnibus::cli
