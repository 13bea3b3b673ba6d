/// Redrives or drops dead letters: each once, and those of one key in order.
#pragma once

#include "engine/commit/dead_letter.hpp"
#include "kafka/admin.hpp"
#include "kafka/partition_reader.hpp"
#include "kafka/producer.hpp"
#include "postgres/dead_letters.hpp"
#include "postgres/outbox.hpp"
#include "workers/cli/dlq/letter_selection.hpp"

#include <chrono>
#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace omnibus::cli {

/// Keys that are held back: a letter waits for every earlier one of its key and worker that was not redriven.
/// Letters without a key do not wait.
class KeyOrder {
 public:
  /// The position of the letter that this one must wait for, or nothing.
  std::optional<std::string> waits_for(engine::DeadLetter const& letter) const;
  /// Holds its key back from now on.
  void hold(engine::DeadLetter const& letter);

 private:
  std::unordered_map<std::size_t, std::string> held_;
};

struct RedriveSettings {
  postgres::LetterAction action = postgres::LetterAction::redriven;
  std::string topic{};  ///< of the letters
  Selection selection{};
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  double rate = 0;  ///< letters a second; 0: no limit
  bool dry_run = false;
  bool skip_order = false;  ///< a letter does not wait for held-back ones of its key
  std::string actor{};
};

struct RedriveReport {
  std::size_t acted = 0;      ///< redriven or dropped; in a dry run, the number that would be
  std::size_t taken = 0;      ///< selected, but done before or by another operator
  std::size_t waiting = 0;    ///< wait for an earlier letter of the key
  std::size_t refused = 0;    ///< cannot be redriven, or taken and then refused by the broker: a refused row is left
  std::size_t left_over = 0;  ///< published now for a redrive that was killed before
};

/// What a run needs; everything outlives it.
struct RedrivePorts {
  kafka::Admin& admin;
  kafka::PartitionReader& reader;
  pqxx::connection& database;
  kafka::Producer* producer = nullptr;  ///< null: nothing is sent (dry run, drop)
  /// Called for each letter that is not acted on, with the reason, and in a dry run for each that would be.
  std::function<void(engine::DeadLetter const&, std::string_view)> tell;
  std::function<void(std::size_t acted)> progress;
};

/// One pass over the letters of a topic as they are when it begins.
///
/// Each letter has one transaction: the compare-and-set, the removal of its worker's inbox row and an outbox row with
/// the original record. Then it is published and the row removed. If the process is killed in between, the row is
/// published first by the next redrive of the partition, or by the relay. A partition belongs to one redrive at a
/// time, and at most one letter of a key is in flight, so that the order is kept.
class Redrive {
 public:
  Redrive(RedrivePorts ports, RedriveSettings settings);

  /// Blocks. @throws kafka::Error and as libpqxx. Letters already acted on stay so; another run continues from
  /// there.
  RedriveReport run();

 private:
  void run_partition(std::int32_t partition, kafka::Watermarks marks);
  void consider(engine::DeadLetter letter, KeyOrder& order);
  bool load(engine::DeadLetter& letter);
  std::string problem_with(engine::DeadLetter const& letter) const;
  void flush();
  void pace(std::size_t count);
  std::vector<postgres::RefusedRow> publish(std::int32_t partition, std::size_t* published);
  bool at_limit() const { return report_.acted + batch_.size() >= settings_.limit; }

  RedrivePorts ports_;
  RedriveSettings settings_;
  std::int64_t max_record_bytes_;
  std::size_t batch_size_;
  std::unordered_map<Uuid, postgres::LetterAction> done_;
  std::vector<engine::DeadLetter> batch_;  ///< of distinct keys
  std::chrono::steady_clock::time_point next_;
  RedriveReport report_;
};

}  // namespace omnibus::cli
