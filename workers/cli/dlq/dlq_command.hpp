/// `omnibus dlq`: its options and commands.
#pragma once

#include "postgres/dead_letters.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/dlq/letter_selection.hpp"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>

namespace omnibus::cli {

/// The command line's values.
struct DlqOptions {
  ClusterOptions cluster;
  std::string database;
  std::string topic;
  std::string partition;
  std::string offset;
  std::string error_class;
  std::string worker;
  std::string since;
  std::string until;
  std::string state;
  std::size_t limit = 0;
  std::string rate;
  std::string place;
  std::optional<std::int64_t> row;
  bool refused = false;
  bool dry_run = false;
  bool yes = false;
  bool skip_order = false;
  bool payload = false;
  bool open = false;
  bool json = false;

  /// @throws std::invalid_argument that names the option.
  Selection selection() const;
  /// The name of the dead-letter topic; `topic` may be either of the two names.
  std::string letters_topic() const;
};

/// Each prints its result. @return the exit code
int list_letters(DlqOptions const& options);
int show_letter(DlqOptions const& options);
int act_on_letters(DlqOptions const& options, postgres::LetterAction action);

}  // namespace omnibus::cli
