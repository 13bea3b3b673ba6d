/// `omnibus dlq`: what it is told, and what each of its commands does.
#pragma once

#include "postgres/dead_letters.hpp"
#include "workers/cli/cluster_options.hpp"
#include "workers/cli/dlq/letter_selection.hpp"

#include <cstddef>
#include <string>

namespace omnibus::cli {

/// What the command line says.
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
  bool dry_run = false;
  bool yes = false;
  bool skip_order = false;
  bool payload = false;
  bool json = false;

  /// @throws std::invalid_argument that names the option.
  Selection selection() const;
  /// Of the dead letters; `topic` may be either name of the two.
  std::string letters_topic() const;
};

/// Each prints what it found or did. @return the exit code
int list_letters(DlqOptions const& options);
int show_letter(DlqOptions const& options);
int act_on_letters(DlqOptions const& options, postgres::LetterAction action);

}  // namespace omnibus::cli
