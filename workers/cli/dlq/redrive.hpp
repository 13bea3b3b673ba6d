/// Sending dead letters again, or putting them aside for good: each once, and those of a key in their order.
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

/// Remembers which keys may not go on: a letter waits for every earlier one of its key and worker that stays behind.
/// Letters without key wait for nobody.
class KeyOrder {
 public:
  /// Where the letter is that this one has to wait for, or nothing.
  std::optional<std::string> waits_for(engine::DeadLetter const& letter) const;
  /// Holds its key back, from now on.
  void hold(engine::DeadLetter const& letter);

 private:
  std::unordered_map<std::size_t, std::string> held_;
};

struct RedriveSettings {
  postgres::LetterAction action = postgres::LetterAction::redriven;
  std::string topic{};  ///< of the letters
  Selection selection{};
  std::size_t limit = std::numeric_limits<std::size_t>::max();
  double rate = 0;  ///< letters a second; 0: as fast as it goes
  bool dry_run = false;
  bool skip_order = false;  ///< a letter need not wait for those of its key that stay behind
  std::string actor{};
};

struct RedriveReport {
  std::size_t acted = 0;      ///< redriven or dropped; in a dry run, what would be
  std::size_t taken = 0;      ///< selected, and done before or by somebody else
  std::size_t waiting = 0;    ///< for an earlier letter of the key
  std::size_t refused = 0;    ///< cannot be sent
  std::size_t left_over = 0;  ///< sent now for a redrive that was killed before it could
};

/// What a run stands on; everything outlives it.
struct RedrivePorts {
  kafka::Admin& admin;
  kafka::PartitionReader& reader;
  pqxx::connection& database;
  kafka::Producer* producer = nullptr;  ///< null: nothing is sent (dry run, drop)
  /// Told of each letter that is not acted on and why, and in a dry run of each that would be.
  std::function<void(engine::DeadLetter const&, std::string_view)> tell;
  std::function<void(std::size_t acted)> progress;
};

/// One pass over the letters of a topic as they are when it begins.
///
/// A letter goes in one transaction: the compare-and-set, the end of its worker's inbox row and an outbox row with the
/// original record. Only then it is published and the row removed. Whoever is killed in between leaves a row that the
/// next redrive of the partition publishes before anything else, or the relay. A partition belongs to one redrive at a
/// time, and at most one letter of a key is under way, so that nothing is overtaken.
class Redrive {
 public:
  Redrive(RedrivePorts ports, RedriveSettings settings);

  /// Blocks. @throws kafka::Error and as libpqxx. What was acted on before stays so, and another run goes on from
  /// there.
  RedriveReport run();

 private:
  void run_partition(std::int32_t partition, kafka::Watermarks marks);
  void consider(engine::DeadLetter letter, KeyOrder& order);
  std::string problem_with(engine::DeadLetter const& letter) const;
  void flush();
  void pace(std::size_t count);
  void publish(std::int32_t partition, std::size_t* published);
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
