/// What the commands about people, matches and agents' conversations have in common.
#pragma once

#include "matches/reads.hpp"
#include "matches/requests.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/database/database.hpp"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/describe/class.hpp>

namespace CLI {
class App;
}
namespace pqxx {
class connection;
class transaction_base;
}  // namespace pqxx

namespace omnibus::cli {

/// The command line's values of one command of this folder.
struct MatchingOptions {
  std::string database;
  ClusterOptions cluster;
  std::optional<std::string> domain, status, user, match, conversation, from, to, at, date, details, process_type, text;
  std::string id, other, file;
  std::optional<double> min_score;
  std::int64_t limit = 20;
  std::optional<std::int64_t> batch_size;
  bool follow_up = false, undo = false, approve = false, json = false;

  matches::Page page() const { return {limit, 0}; }
};

/// Options of a command that reads: `--database` and `--json`.
void add_reading_options(CLI::App& command, MatchingOptions& options);
/// Options of a command that publishes: those of the cluster besides.
void add_asking_options(CLI::App& command, MatchingOptions& options);
/// `--domain`, `--limit` and, when it has states, `--status`.
void add_list_options(CLI::App& command, MatchingOptions& options, std::vector<std::string> const& states = {});

/// For CLI11's check(): what is wrong with an option's text; empty when nothing is. A number of 0 to 1.
std::string check_fraction(std::string const& text);
/// A date, as 2026-11-20.
std::string check_date(std::string const& text);

/// Sets what a command does. Since callbacks run at once, an unknown option must be refused here, before anything is
/// done: else a mistyped `--user` would ask for everybody's.
void run_on(CLI::App& command, std::function<void()> work);

/// Runs `work` in a transaction that only reads. @throws std::runtime_error that names what to change when a right or
/// a table is missing.
void read_matching(MatchingOptions const& options, std::function<void(pqxx::transaction_base&)> const& work);
/// The same over an open connection.
void read_matching(pqxx::connection& connection, std::function<void(pqxx::transaction_base&)> const& work);

/// The UUID in an option. @throws std::runtime_error naming the option
Uuid read_id(std::string_view option, std::string const& text);
std::optional<Uuid> read_id(std::string_view option, std::optional<std::string> const& text);
/// A time or date of an option, in ms since 1970. @throws std::runtime_error naming the option
std::optional<std::int64_t> read_moment(std::string_view option, std::optional<std::string> const& text);

/// The tenant: the given one, else the only one there is. @throws std::runtime_error when that does not decide it
std::string find_tenant(pqxx::transaction_base& transaction, std::optional<std::string> const& given);

/// One line of a detailed view; nothing for an empty value.
void print_line(std::string_view name, std::string_view value);
void print_if_known(std::string_view name, std::optional<std::string> const& value);
/// Two decimals; "-" for none.
std::string score_text(std::optional<double> score);

/// An event that was published.
struct PublishedEvent {
  std::string event_id, type, key;
};
BOOST_DESCRIBE_STRUCT(PublishedEvent, (), (event_id, type, key))

/// Publishes events to Kafka, as the source `/omnibus/cli`. Use it on one thread.
class EventPublisher {
 public:
  explicit EventPublisher(ClusterOptions const& cluster);
  ~EventPublisher();
  EventPublisher(EventPublisher const&) = delete;
  EventPublisher& operator=(EventPublisher const&) = delete;

  /// Waits for acknowledgements when many are missing. @throws std::runtime_error as finish does
  /// @param id of the event; without one it is random
  PublishedEvent publish(matches::PlannedEvent const& planned, std::optional<std::string> id = {});
  /// Waits until every event is acknowledged. @throws std::runtime_error that names KAFKA_BROKERS when one is not
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Publishes events and prints them; with `--json` as one object.
void publish_and_print(MatchingOptions const& options, std::vector<matches::PlannedEvent> const& planned,
                       std::string_view done);

}  // namespace omnibus::cli
