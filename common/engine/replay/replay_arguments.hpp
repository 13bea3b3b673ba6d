/// The replay options of a worker's command line.
#pragma once

#include "kafka/moment.hpp"

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace CLI {
class App;
}

namespace omnibus::engine {

struct ReplayArguments {
  std::string run;                    ///< empty only in a dry run
  std::optional<kafka::Moment> from;  ///< absent: as when the run began
  std::optional<kafka::Moment> to;
  std::vector<std::string> topics;  ///< of the worker's; empty for all of them
  bool dry_run = false;
};

/// Adds `--replay RUN`, `--from T`, `--to T`, `--topic TOPIC` and `--dry-run` to a worker's command line. `replay` is
/// set when one of them is given, and must outlive the parsing, which throws CLI::ParseError naming an option that
/// cannot be used.
void add_replay_options(CLI::App& application, std::string_view worker, std::optional<ReplayArguments>& replay);

/// @throws std::invalid_argument unless the window's beginning is before its end.
void check_window(kafka::Moment const& from, kafka::Moment const& to);

/// The topics that a replay of this worker reads: all of the worker's, or the given ones.
/// @throws std::invalid_argument for a topic that the worker does not read, or a worker without topics.
std::vector<std::string> replay_topics(std::string_view worker, std::vector<std::string> const& asked);

}  // namespace omnibus::engine
